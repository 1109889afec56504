/* read_job: what comes as the first record. */
#include "pieces.h"

#include "../../adapters/supervisor/supervisor.h"

static void *blocks[8];
static int block_count;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);

/* A job lives as long as the supervisor, which gives nothing back: here that is done for it. */
static void *remember(void *block)
{
    EXPECT(block_count < 8);
    return blocks[block_count++] = block;
}

void *__wrap_malloc(size_t size)
{
    return remember(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return remember(__real_calloc(count, size));
}

static size_t length_of(char **words, uint32_t count)
{
    size_t length = 0;

    for (uint32_t i = 0; i < count; i++)
        length += strlen(words[i]);
    EXPECT(words[count] == NULL);
    return length;
}

static unsigned sum(const char *bytes, uint64_t size)
{
    unsigned sum = 0;

    while (size--)
        sum += (unsigned char)*bytes++;
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int file;
    static volatile size_t used;
    struct task task = {0};

    if (!read_job(in_memory(&file, data, size), &task)) {
        used = length_of(task.argv, task.job.argc + 1) + length_of(task.envp, task.job.envc);
        used += sum(task.script, task.job.script_size) + sum(task.input, task.job.stdin_size);
        EXPECT(used > 0 && strchr(task.file_name, '/') == NULL);
    }
    while (block_count)
        free(blocks[--block_count]);
    return 0;
}
