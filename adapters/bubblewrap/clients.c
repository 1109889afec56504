/* Those who watch, feed or stop the run. The spool is their queue: a slow one holds up nobody. */
#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper.h"

enum { AT_ONCE = 1 << 20 };                         /* bytes for one client before the next has its turn */
enum { LEAVE_US = 5000000, LEAVE_STEP_MS = 100 }; /* who is slower reads the rest from the spool file itself */

void clients_init(struct clients *clients, int listener, struct given *input)
{
    clients->listener = listener;
    clients->input = input;
    for (int i = 0; i < CLIENTS_MAX; i++)
        clients->client[i].fd = -1;
}

static int has_asked(const struct client *client)
{
    return client->request_size == sizeof client->request;
}

static int is_watching(const struct client *client)
{
    return has_asked(client) && client->request.question == WATCH;
}

static int is_feeding(const struct client *client)
{
    return has_asked(client) && (client->request.question == FEED || client->request.question == FEED_LAST);
}

static short events_for(const struct client *client, const struct spool *spool)
{
    if (!has_asked(client) || is_feeding(client))
        return POLLIN;
    return is_watching(client) && client->offset < spool->size ? POLLOUT : POLLRDHUP;
}

static int has_place(const struct clients *clients)
{
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (clients->client[i].fd < 0)
            return 1;
    return 0;
}

/* Who finds no place waits in line for one, or for the end. */
void clients_poll(const struct clients *clients, const struct spool *spool, struct pollfd polled[CLIENT_POLLS])
{
    polled[CLIENTS_MAX] = (struct pollfd){.fd = has_place(clients) ? clients->listener : -1, .events = POLLIN};
    for (int i = 0; i < CLIENTS_MAX; i++)
        polled[i] = (struct pollfd){clients->client[i].fd, events_for(&clients->client[i], spool), 0};
}

static void hang_up(struct client *client)
{
    close(client->fd);
    client->fd = -1;
}

static void take_new(struct clients *clients)
{
    int fd = accept4(clients->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    for (int i = 0; fd >= 0 && i < CLIENTS_MAX; i++)
        if (clients->client[i].fd < 0) {
            clients->client[i] = (struct client){.fd = fd};
            return;
        }
}

/* What has come of at most `size` bytes; 0 when nothing has. */
static size_t hear(struct client *client, void *into, size_t size)
{
    ssize_t got = recv(client->fd, into, size, 0);

    if (got == 0 || (got < 0 && errno != EAGAIN))
        hang_up(client);
    return got > 0 ? (size_t)got : 0;
}

static void hear_request(struct client *client)
{
    char *missing = (char *)&client->request + client->request_size;

    client->request_size += hear(client, missing, sizeof client->request - client->request_size);
}

/* A piece that breaks off gives what has come of it; whoever comes next gives it again. */
static void hear_input(struct client *client, struct given *input)
{
    static char data[1 << 16];
    const struct request *request = &client->request;
    uint64_t left = request->size - client->fed;
    size_t got = left ? hear(client, data, left < sizeof data ? left : sizeof data) : 0;

    given_take(input, request->after, client->fed, data, got);
    client->fed += got;
    if (client->fd < 0 || client->fed < request->size)
        return;
    if (request->question == FEED_LAST)
        given_end(input, request->after, request->size);
    uint64_t answer = given_size(input);
    if (send(client->fd, &answer, sizeof answer, MSG_NOSIGNAL) < 0)
        errno = 0; /* whoever is gone already gives it again */
    hang_up(client);
}

static int is_unwanted(const struct head *head, uint64_t after)
{
    return (head->kind == STDOUT || head->kind == STDERR) && head->number <= after;
}

/* Finds the next stretch of the spool that this client wants. */
static void find_span(struct client *client, const struct spool *spool)
{
    struct head head;

    while (client->offset < spool->size && pread(spool->fd, &head, sizeof head, (off_t)client->offset) > 0) {
        if (is_unwanted(&head, client->request.after)) {
            client->offset += sizeof head + head.size;
            continue;
        }
        client->span_end = head.kind == STARTED ? client->offset + sizeof head + head.size : spool->size;
        return;
    }
    client->span_end = client->offset;
}

static void send_frames(struct client *client, const struct spool *spool)
{
    if (client->offset >= client->span_end)
        find_span(client, spool);
    uint64_t size = client->span_end - client->offset;
    off_t offset = (off_t)client->offset;
    ssize_t sent = size ? sendfile(client->fd, spool->fd, &offset, size < AT_ONCE ? size : AT_ONCE) : 0;

    if (sent < 0 && errno != EAGAIN)
        hang_up(client);
    client->offset = (uint64_t)offset;
}

static void serve(struct client *client, const struct spool *spool, struct given *input, short events)
{
    if (!has_asked(client))
        hear_request(client);
    else if (!is_feeding(client) && events & (POLLRDHUP | POLLHUP | POLLERR))
        hang_up(client);
    if (client->fd >= 0 && is_watching(client))
        send_frames(client, spool);
    if (client->fd >= 0 && is_feeding(client))
        hear_input(client, input);
}

void clients_serve(struct clients *clients, const struct spool *spool, const struct pollfd polled[CLIENT_POLLS])
{
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (polled[i].revents)
            serve(&clients->client[i], spool, clients->input, polled[i].revents);
    if (polled[CLIENTS_MAX].revents)
        take_new(clients);
}

int clients_want_stop(const struct clients *clients)
{
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (clients->client[i].fd >= 0 && has_asked(&clients->client[i]) && clients->client[i].request.question == STOP)
            return 1;
    return 0;
}

/* Hangs up on everybody who has all there is. True when somebody is left. */
static int dismiss(struct clients *clients, const struct spool *spool)
{
    int left = 0;

    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &clients->client[i];
        if (client->fd >= 0 && has_asked(client) && (!is_watching(client) || client->offset >= spool->size))
            hang_up(client);
        left += client->fd >= 0;
    }
    return left;
}

void clients_take_leave(struct clients *clients, const struct spool *spool)
{
    struct pollfd polled[CLIENT_POLLS];

    unlink(SOCKET_FILE);
    close(clients->listener); /* who still waits in line finds the END in the spool */
    clients->listener = -1;
    for (uint64_t until = monotonic_us() + LEAVE_US; dismiss(clients, spool) && monotonic_us() < until;) {
        clients_poll(clients, spool, polled);
        if (poll(polled, CLIENT_POLLS, LEAVE_STEP_MS) > 0)
            clients_serve(clients, spool, polled);
    }
}
