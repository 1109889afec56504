/* read_command: what comes after the job, in any pieces; beside a plain reading of the same bytes. */
#include "pieces.h"

#include "../../adapters/supervisor/supervisor.h"

static struct given given, plain;

static int plainly_taken(const uint8_t *data, size_t size)
{
    int whole_records = 0;
    struct head head;

    plain.size = 0, plain.is_whole = 0;
    while (size >= sizeof head) {
        memcpy(&head, data, sizeof head);
        data += sizeof head, size -= sizeof head;
        size_t body = head.size < size ? head.size : size;
        for (size_t i = 0; is_input(&head) && i < body; i++)
            if (!plain.is_whole && head.number <= plain.size && head.number + i == plain.size)
                plain.data[plain.size++] = (char)data[i];
        data += body, size -= body;
        if (body < head.size)
            break;
        if (head.kind == LAST_INPUT && head.number <= plain.size && head.number + head.size <= plain.size)
            plain.is_whole = 1;
        whole_records++;
    }
    return whole_records;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t step = at_once(&data, &size);
    struct commands commands = {0};
    int ends[2], complete = 0, expected = plainly_taken(data, size);

    EXPECT(pipe(ends) == 0);
    commands.fd = ends[0];
    given.size = 0, given.is_whole = 0;
    for (size_t some; size; data += some, size -= some) {
        some = size < step ? size : step;
        EXPECT(write(ends[1], data, some) == (ssize_t)some);
        while (unread(ends[0]))
            complete += read_command(&commands, &given);
    }
    EXPECT(complete == expected && given.size == plain.size && given.is_whole == plain.is_whole);
    EXPECT(memcmp(given.data, plain.data, given.size) == 0);
    close(ends[1]);
    EXPECT(!read_command(&commands, &given) && commands.fd == -1);
    close(ends[0]);
    return 0;
}
