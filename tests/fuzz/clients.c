/* The keeper's socket: three clients that ask, feed, break off and stand still, in any order and any pieces. */
#include "pieces.h"

#include <sys/socket.h>
#include <time.h>

#include "../../adapters/bubblewrap/keeper.h"

enum { OURS = 3, FRAMES = 20, OUTPUT = 3000 };

static struct clients clients;
static struct given given;
static struct spool spool;
static struct {
    int fd;
    char got[OUTPUT * FRAMES * 2];
    size_t size;
} ours[OURS];

uint64_t monotonic_us(void)
{
    return 1;
}

static void fill_spool(void)
{
    static char data[OUTPUT];
    struct iovec;

    spool.fd = memfd_create("spool", 0);
    for (uint64_t number = 0; number <= FRAMES; number++) {
        struct head head = {number ? OUTPUT : 0, number ? STDOUT : STARTED, number, 0};
        EXPECT(pwrite(spool.fd, &head, sizeof head, (off_t)spool.size) == (ssize_t)sizeof head);
        EXPECT(pwrite(spool.fd, data, head.size, (off_t)(spool.size + sizeof head)) == (ssize_t)head.size);
        spool.size += sizeof head + head.size;
    }
}

static void begin(void)
{
    if (!spool.fd)
        fill_spool();
    given.size = 0, given.is_whole = 0;
    clients_init(&clients, -1, &given);
    for (int i = 0; i < OURS; i++) {
        int ends[2];
        EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
        clients.client[i] = (struct client){.fd = ends[0]};
        ours[i].fd = ends[1], ours[i].size = 0;
    }
}

static void serve_all(void)
{
    struct pollfd polled[CLIENT_POLLS];

    clients_poll(&clients, &spool, polled);
    if (poll(polled, OURS, 0) > 0)
        clients_serve(&clients, &spool, polled);
    for (int i = 0; i < OURS; i++)
        EXPECT(clients.client[i].fd < 0 || clients.client[i].offset <= spool.size);
    EXPECT(given.size <= INPUT_MAX);
    clients_want_stop(&clients);
}

static void read_all(int i)
{
    ssize_t got;

    while (ours[i].fd >= 0 && (got = recv(ours[i].fd, ours[i].got + ours[i].size, sizeof ours[i].got - ours[i].size, 0)) > 0)
        ours[i].size += (size_t)got;
}

/* Frames one after another, or how much input has come. */
static void look_at_what_came(int i)
{
    struct head head;
    uint64_t last = 0;

    for (size_t at = 0; ours[i].size > 8 && at + sizeof head < ours[i].size; at += sizeof head + head.size) {
        memcpy(&head, ours[i].got + at, sizeof head);
        EXPECT((head.kind == STARTED && !at && !head.size) || (head.kind == STDOUT && head.size == OUTPUT));
        EXPECT(!last || head.number == last + 1);
        last = head.number;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();
    while (size >= 2) {
        int i = data[0] % OURS, how = data[0] / OURS % 4;
        size_t some = data[1] < size - 2 ? data[1] : size - 2;
        data += 2, size -= 2;
        if (how < 2 && ours[i].fd >= 0 && send(ours[i].fd, data, some, MSG_NOSIGNAL) > 0)
            data += some, size -= some;
        if (how == 2)
            read_all(i);
        if (how == 3 && data[-1] < 32 && ours[i].fd >= 0)
            close(ours[i].fd), ours[i].fd = -1;
        serve_all();
    }
    for (int i = 0; i < OURS; i++) {
        for (size_t before = 1; before != ours[i].size;) {
            before = ours[i].size;
            read_all(i);
            serve_all();
        }
        look_at_what_came(i);
        close(ours[i].fd);
        if (clients.client[i].fd >= 0)
            close(clients.client[i].fd);
    }
    return 0;
}
