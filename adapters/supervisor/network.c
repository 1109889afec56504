/* The way out of a network that has nothing but loopback: a socket made inside, on which somebody outside accepts. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervisor.h"

enum { BACKLOG = 128, KEPT_FD = 3 };

static int listen_inside(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PROXY_PORT)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, BACKLOG) < 0 ? -1 : fd;
}

/* unix(7), SCM_RIGHTS; at least one byte has to come along. */
static int hand_out(int through, int fd)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof fd)];
    } rights = {{0}};
    struct iovec byte = {"", 1};
    struct msghdr message = {
        .msg_iov = &byte, .msg_iovlen = 1, .msg_control = rights.space, .msg_controllen = sizeof rights.space};

    rights.head = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
    memcpy(CMSG_DATA(&rights.head), &fd, sizeof fd);
    return sendmsg(through, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

const char *open_way_out(void)
{
    int listener = listen_inside();

    if (listener < 0 || hand_out(WAY_OUT_FD, listener) < 0)
        return failure("the network has no way out");
    close(listener);
    return dup3(WAY_OUT_FD, KEPT_FD, O_CLOEXEC) < 0 ? failure("the network has no way out") : NULL;
}
