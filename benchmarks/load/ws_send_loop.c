/* The bare limit of fan-out: one loop of send() over many WebSocket connections.
 *
 *     ws_send_loop FRAME CONNECTIONS SECONDS
 *
 * Listens on a port of 127.0.0.1 that it prints (`ready PORT`), upgrades whatever connects, up to
 * CONNECTIONS, grants every connect and subscribe, and otherwise only sends, when told so on stdin:
 *
 *     send COUNT INTERVAL_US
 *
 * That sends the bytes of the file FRAME, a whole WebSocket frame, to every connection, COUNT times
 * and INTERVAL_US apart, and prints one JSON object: sent (frames to one connection each), connections,
 * cpu_s (processor time of this process meanwhile, user and system). No epoll, no queue, no encoding
 * is in it: a server that pushes the same frames cannot do with less than these calls.
 *
 * The upgrade is granted with a fixed key, which only the programs of this folder accept. Exit codes:
 * 0 the end of stdin; 2 a connection that takes nothing or is lost, or frames that are none. After
 * SECONDS the process ends, whatever it does.
 */
#define _GNU_SOURCE
#define PROGRAM "ws_send_loop"
#include "ws.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 20000
#define BACKLOG 1024
#define EVENTS_MAX 256
#define MESSAGE_MAX (16 * 1024) /* the commands of a connection, all in one message */

struct connection {
    int fd;
    bool upgraded;
    size_t size;
    char in[MESSAGE_MAX];
};

static struct connection **connections;
static size_t connections_count, connections_max;
static struct span frame;
static int poll_fd;

static void watch(int fd, void *what)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

    if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("epoll: %s", strerror(errno));
}

static int listen_on_loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, BACKLOG) != 0
        || getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        fail("cannot listen: %s", strerror(errno));
    printf("ready %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void connections_accept(int listener)
{
    int fd, on = 1;

    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        struct connection *connection = allocate(1, sizeof *connection);

        if (connections_count == connections_max)
            fail("more than %zu connections", connections_max);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connection->fd = fd;
        connections[connections_count++] = connection;
        watch(fd, connection);
    }
}

static void bytes_send(const struct connection *connection, const char *bytes, size_t size)
{
    ssize_t sent = send(connection->fd, bytes, size, MSG_NOSIGNAL);

    if (sent < 0 || (size_t)sent != size)
        fail("a connection took %zd of %zu bytes: %s", sent, size, strerror(errno));
}

static void command_grant(const struct connection *connection, struct span command)
{
    char text[128], out[sizeof text + WS_HEADER_MAX];
    unsigned long long id = json_number_of(command, "id");
    struct span request;
    int size;

    if (json_member(command, "connect", &request))
        size = snprintf(text, sizeof text,
                        "{\"id\":%llu,\"connect\":{\"client\":\"c\",\"ping\":25,\"pong\":true}}", id);
    else if (json_member(command, "subscribe", &request))
        size = snprintf(text, sizeof text, "{\"id\":%llu,\"subscribe\":{}}", id);
    else
        fail("an unknown command: %.*s", (int)span_size(command), command.at);
    bytes_send(connection, out, ws_write(out, WS_TEXT, false, text, (size_t)size));
}

/* A message is one command a line. */
static void message_take(const struct connection *connection, struct span message)
{
    while (message.at < message.end) {
        const char *cut = memchr(message.at, '\n', span_size(message));
        const char *end = cut != NULL ? cut : message.end;

        command_grant(connection, (struct span){message.at, end});
        message.at = cut != NULL ? cut + 1 : end;
    }
}

static void upgrade_take(struct connection *connection)
{
    static const char granted[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                  "Connection: Upgrade\r\n\r\n";

    if (connection->size < 4 || memcmp(connection->in + connection->size - 4, "\r\n\r\n", 4) != 0)
        return;
    connection->upgraded = true;
    connection->size = 0;
    bytes_send(connection, granted, sizeof granted - 1);
}

static void connection_read(struct connection *connection)
{
    ssize_t got = recv(connection->fd, connection->in + connection->size,
                       sizeof connection->in - connection->size, 0);
    struct ws_frame message;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 && connection->size < sizeof connection->in)
        exit(0); /* the run is over */
    if (got <= 0)
        fail("a message of more than %d bytes", MESSAGE_MAX);
    connection->size += (size_t)got;
    if (!connection->upgraded) {
        upgrade_take(connection);
        return;
    }
    while (ws_next(connection->in, connection->size, true, &message)) {
        if (message.opcode == WS_TEXT)
            message_take(connection, message.payload);
        connection->size -= message.size;
        memmove(connection->in, connection->in + message.size, connection->size);
    }
}

static void sleep_until(uint64_t at_ns)
{
    struct timespec at = {(time_t)(at_ns / NANOSECONDS), (long)(at_ns % NANOSECONDS)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

static void frames_send(size_t count, uint64_t interval_us)
{
    uint64_t cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID), due_ns = now_ns();

    for (size_t i = 0; i < count; i++, due_ns += interval_us * 1000) {
        sleep_until(due_ns);
        for (size_t c = 0; c < connections_count; c++)
            bytes_send(connections[c], frame.at, span_size(frame));
    }
    printf("{\"sent\": %zu, \"connections\": %zu, \"cpu_s\": %.9f}\n", count * connections_count,
           connections_count,
           (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns) / (double)NANOSECONDS);
    fflush(stdout);
}

static void command_read(void)
{
    char line[128];
    ssize_t got = read(STDIN_FILENO, line, sizeof line - 1);
    unsigned long long interval_us;
    size_t count;

    if (got <= 0)
        exit(0);
    line[got] = '\0';
    if (sscanf(line, "send %zu %llu\n", &count, &interval_us) != 2)
        fail("unknown command: %s", line);
    frames_send(count, interval_us);
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS_MAX];
    int listener;

    if (argc != 4)
        fail("usage: ws_send_loop FRAME CONNECTIONS SECONDS");
    connections_max = strtoul(argv[2], NULL, 10);
    if (connections_max < 1 || connections_max > CONNECTIONS_MAX)
        fail("1 to %d connections", CONNECTIONS_MAX);
    connections = allocate(connections_max, sizeof *connections);
    descriptors_allow(connections_max + 64);
    life_end_after(argv[3]);
    frame = file_read(argv[1]);
    listener = listen_on_loopback();
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    watch(STDIN_FILENO, NULL);
    watch(listener, &listener);
    for (;;) {
        int ready = epoll_wait(poll_fd, events, EVENTS_MAX, -1);

        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == NULL)
                command_read();
            else if (events[i].data.ptr == &listener)
                connections_accept(listener);
            else
                connection_read(events[i].data.ptr);
        }
    }
}
