/* Holds many WebSocket connections that speak the Centrifugo protocol in JSON, and counts what is
 * pushed to them. Every connection sends its connect and its subscribe commands in one message, answers
 * pings, and keeps the position of each subscription, from which it recovers when it is opened again.
 *
 *     ws_subscribers HOST PORT FILE OPENING SECONDS
 *
 * FILE has one line per connection: a token and its channels, separated by blanks. OPENING bounds how
 * many connections are being opened at a time. After SECONDS the process ends, whatever it does.
 *
 * Commands come as lines on stdin, one at a time, and each is answered with one line on stdout:
 *
 *     open SECONDS       open every connection that is not, and subscribe; try again while refused
 *     await N SECONDS    wait until N publications were pushed since the last `open` or `reset`
 *     lost SECONDS       wait until every connection is lost
 *     reset              count from 0
 *     sample             the first publication since then, as it came, instead of the report
 *
 * The report is a JSON object: connections and subscribed (now); opened, recovered, unrecovered (of
 * the subscriptions that asked for it), recovered_publications, pushes, push_bytes (whole frames), gaps
 * (publications that were not the next of their channel), retries (of opening); seconds since the last
 * `open` or `reset`, first_s and last_s (arrival of the first and the last push).
 *
 * Exit codes: 0 the end of stdin; 2 something that nobody asked for (time over, a refusal, a
 * connection lost while waiting for pushes, frames that are none).
 */
#define _GNU_SOURCE
#define PROGRAM "ws_subscribers"
#include "ws.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 20000
#define EVENTS_MAX 1024
#define SOURCES 8 /* addresses 127.0.0.1 to 127.0.0.8, each with ports of its own */
#define RETRY_NS (20 * 1000000ull)
#define AWAKE_NS (300 * 1000ull)
#define COMMAND_MAX 256
#define TERMINAL_CODES 3500 /* of close frames: from here on there is no coming back */

struct subscription {
    struct span channel;
    uint64_t offset;
    char epoch[24];
    bool live;
    bool positioned; /* there is a position to recover from */
    bool recovering;
};

enum state { CLOSED, CONNECTING, UPGRADING, SUBSCRIBING, OPEN };

struct connection {
    int fd;
    enum state state;
    struct span token;
    struct subscription *subscriptions;
    size_t subscriptions_count, replies_owed;
    char *kept; /* the part of a frame that came so far */
    size_t kept_size;
};

enum goal { NOTHING, ALL_OPEN, PUSHES, ALL_LOST };

static struct counts {
    size_t opened, recovered, unrecovered, recovered_publications, pushes, push_bytes, gaps, retries;
    uint64_t since_ns, first_ns, last_ns;
} counts;

static const char *host, *port;
static struct sockaddr_in server;
static struct connection *connections;
static size_t connections_count, open_now, opening_now, subscribed_now, opening_max;
static struct connection **waiting; /* to be opened: a ring */
static size_t waiting_first, waiting_count;
static uint64_t retry_at_ns;
static enum goal goal;
static size_t goal_pushes;
static uint64_t goal_deadline_ns;
static char *sample;
static size_t sample_size;
static unsigned last_close_code;
static int poll_fd;

/* ---- the file of connections ---- */

static struct span word_next(const char **at, const char *end)
{
    struct span word;

    while (*at < end && **at == ' ')
        ++*at;
    word.at = *at;
    while (*at < end && **at != ' ')
        ++*at;
    word.end = *at;
    return word;
}

static void connection_load(struct connection *connection, const char *at, const char *end)
{
    const char *words = at;
    size_t count = 0;

    while (span_size(word_next(&words, end)) > 0)
        count++;
    if (count < 2)
        fail("a connection without token or channel");
    connection->token = word_next(&at, end);
    connection->subscriptions_count = count - 1;
    connection->subscriptions = allocate(count - 1, sizeof *connection->subscriptions);
    for (size_t i = 0; i < count - 1; i++)
        connection->subscriptions[i].channel = word_next(&at, end);
}

static void connections_load(const char *path)
{
    struct span file = file_read(path);
    size_t lines = 0;

    for (const char *at = file.at; at < file.end; at++)
        lines += *at == '\n';
    if (lines < 1 || lines > CONNECTIONS_MAX)
        fail("%s has %zu lines; 1 to %d are taken", path, lines, CONNECTIONS_MAX);
    connections = allocate(lines, sizeof *connections);
    waiting = allocate(lines, sizeof *waiting);
    for (const char *at = file.at; connections_count < lines; connections_count++) {
        const char *end = memchr(at, '\n', (size_t)(file.end - at));

        connection_load(&connections[connections_count], at, end);
        at = end + 1;
    }
    descriptors_allow(lines + 64);
}

/* ---- opening and losing ---- */

static void connection_wait(struct connection *connection)
{
    waiting[(waiting_first + waiting_count++) % connections_count] = connection;
}

static void watch(struct connection *connection, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};

    if (epoll_ctl(poll_fd, operation, connection->fd, &event) != 0)
        fail("epoll: %s", strerror(errno));
}

static void connection_lost(struct connection *connection)
{
    bool was_open = connection->state == OPEN;

    close(connection->fd);
    free(connection->kept);
    connection->kept = NULL;
    connection->kept_size = 0;
    connection->state = CLOSED;
    for (size_t i = 0; i < connection->subscriptions_count; i++) {
        subscribed_now -= connection->subscriptions[i].live;
        connection->subscriptions[i].live = false;
    }
    if (was_open)
        open_now--;
    else
        opening_now--;
    if (goal == PUSHES || last_close_code >= TERMINAL_CODES)
        fail("a connection was lost; the last close code was %u", last_close_code);
    if (goal == ALL_OPEN) {
        counts.retries++;
        retry_at_ns = now_ns() + RETRY_NS;
        connection_wait(connection);
    }
}

static void connection_open(struct connection *connection)
{
    size_t number = (size_t)(connection - connections);
    struct sockaddr_in source = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

    if (fd < 0)
        fail("no socket: %s", strerror(errno));
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(number % SOURCES));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&source, sizeof source) != 0)
        fail("cannot send from 127.0.0.%zu: %s", 1 + number % SOURCES, strerror(errno));
    connection->fd = fd;
    connection->state = CONNECTING;
    opening_now++;
    if (connect(fd, (struct sockaddr *)&server, sizeof server) != 0 && errno != EINPROGRESS)
        connection_lost(connection);
    else
        watch(connection, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

static void connections_open_next(void)
{
    while (goal == ALL_OPEN && waiting_count > 0 && opening_now < opening_max
           && now_ns() >= retry_at_ns) {
        struct connection *connection = waiting[waiting_first];

        waiting_first = (waiting_first + 1) % connections_count;
        waiting_count--;
        connection_open(connection);
    }
}

/* Write at once: what we send always fits into the buffer of a socket that is read at all. */
static void connection_write(struct connection *connection, const char *bytes, size_t size)
{
    ssize_t sent = send(connection->fd, bytes, size, MSG_NOSIGNAL);

    if (sent >= 0 && (size_t)sent != size)
        fail("a socket took %zd of %zu bytes", sent, size);
    if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS))
        fail("a socket took nothing: %s", strerror(errno));
    /* Any other failure is a lost connection: reading says so. */
}

/* ---- what a connection says ---- */

static size_t subscribe_write(struct subscription *subscription, size_t id, char *out, size_t room)
{
    int channel_size = (int)span_size(subscription->channel);
    char position[96] = "";
    int size;

    subscription->recovering = subscription->positioned;
    if (subscription->recovering)
        snprintf(position, sizeof position, ",\"recover\":true,\"epoch\":\"%s\",\"offset\":%llu",
                 subscription->epoch, (unsigned long long)subscription->offset);
    size = snprintf(out, room,
                    "\n{\"id\":%zu,\"subscribe\":{\"channel\":\"%.*s\",\"positioned\":true,"
                    "\"recoverable\":true%s,\"flag\":1}}",
                    id, channel_size, subscription->channel.at, position);
    if (size < 0 || (size_t)size >= room)
        fail("no room for the subscriptions of a connection");
    return (size_t)size;
}

/* Connect and subscribe, all in one message. Command 1 is connect, 2 the first subscribe. */
static void commands_send(struct connection *connection)
{
    static char text[256 * 1024], frame[sizeof text + WS_HEADER_MAX];
    size_t size = (size_t)snprintf(text, sizeof text,
                                   "{\"id\":1,\"connect\":{\"token\":\"%.*s\",\"name\":\"bench\"}}",
                                   (int)span_size(connection->token), connection->token.at);

    if (size >= sizeof text)
        fail("no room for a token");
    for (size_t i = 0; i < connection->subscriptions_count; i++)
        size += subscribe_write(&connection->subscriptions[i], i + 2, text + size,
                                sizeof text - size);
    connection->replies_owed = connection->subscriptions_count + 1;
    connection->state = SUBSCRIBING;
    connection_write(connection, frame, ws_write(frame, WS_TEXT, true, text, size));
}

/* ---- what a connection hears ---- */

/* Move a subscription on; anything but the next offset is a gap. */
static void subscription_advance(struct subscription *subscription, uint64_t offset)
{
    if (!subscription->positioned)
        return;
    if (offset != subscription->offset + 1)
        counts.gaps++;
    subscription->offset = offset;
}

static void recovery_take(struct subscription *subscription, struct span result)
{
    struct span publications, publication;

    counts.recovered++;
    if (!json_member(result, "publications", &publications))
        return;
    while (json_element(&publications.at, publications.end, &publication)) {
        subscription_advance(subscription, json_number_of(publication, "offset"));
        counts.recovered_publications++;
    }
}

static void subscribed_take(struct subscription *subscription, struct span result)
{
    struct span epoch;

    subscription->live = true;
    subscribed_now++;
    if (subscription->recovering && json_is_true(result, "recovered")) {
        recovery_take(subscription, result);
        return;
    }
    counts.unrecovered += subscription->recovering;
    subscription->positioned = json_member(result, "epoch", &epoch);
    if (!subscription->positioned)
        return;
    epoch = json_text(epoch);
    if (span_size(epoch) >= sizeof subscription->epoch)
        fail("an epoch of %zu bytes", span_size(epoch));
    memcpy(subscription->epoch, epoch.at, span_size(epoch));
    subscription->epoch[span_size(epoch)] = '\0';
    subscription->offset = json_number_of(result, "offset");
}

static void reply_take(struct connection *connection, struct span reply)
{
    size_t id = (size_t)json_number_of(reply, "id");
    struct span result;

    if (id >= 2 && id < connection->subscriptions_count + 2
        && json_member(reply, "subscribe", &result))
        subscribed_take(&connection->subscriptions[id - 2], result);
    else if (id != 1 || !json_member(reply, "connect", &result))
        fail("refused: %.*s", (int)span_size(reply), reply.at);
    if (connection->state != SUBSCRIBING || connection->replies_owed == 0)
        fail("a reply to no command: %.*s", (int)span_size(reply), reply.at);
    if (--connection->replies_owed == 0) {
        connection->state = OPEN;
        opening_now--;
        open_now++;
        counts.opened++;
    }
}

static void sample_keep(struct span payload)
{
    free(sample);
    sample_size = span_size(payload);
    sample = allocate(sample_size, 1);
    memcpy(sample, payload.at, sample_size);
}

static void push_take(struct connection *connection, struct span push, const struct ws_frame *frame)
{
    struct span channel, publication;

    if (!json_member(push, "channel", &channel) || !json_member(push, "pub", &publication))
        fail("an unexpected push: %.*s", (int)span_size(frame->payload), frame->payload.at);
    channel = json_text(channel);
    for (size_t i = 0; i < connection->subscriptions_count; i++)
        if (span_equal(connection->subscriptions[i].channel, channel))
            subscription_advance(&connection->subscriptions[i],
                                 json_number_of(publication, "offset"));
    counts.last_ns = now_ns();
    counts.push_bytes += frame->size;
    if (counts.pushes++ == 0) {
        counts.first_ns = counts.last_ns;
        sample_keep(frame->payload);
    }
}

static void text_take(struct connection *connection, const struct ws_frame *frame)
{
    char pong[WS_HEADER_MAX + 2];
    struct span push;

    if (span_is(frame->payload, "{}"))
        connection_write(connection, pong, ws_write(pong, WS_TEXT, true, "{}", 2));
    else if (json_member(frame->payload, "push", &push))
        push_take(connection, push, frame);
    else
        reply_take(connection, frame->payload);
}

static void frame_take(struct connection *connection, const struct ws_frame *frame)
{
    char answer[WS_HEADER_MAX + WS_CONTROL_MAX];
    struct span payload = frame->payload;

    if (frame->opcode == WS_TEXT) {
        text_take(connection, frame);
    } else if (frame->opcode == WS_CLOSE && span_size(payload) <= WS_CONTROL_MAX) {
        last_close_code = ws_close_code(payload); /* agreed; the end of the connection follows */
        connection_write(connection, answer,
                         ws_write(answer, WS_CLOSE, true, payload.at, span_size(payload)));
    } else {
        fail("a frame with opcode %d", frame->opcode);
    }
}

/* Act on whole frames; returns how many bytes they were. */
static size_t bytes_take(struct connection *connection, char *bytes, size_t size)
{
    struct ws_frame frame;
    size_t used = 0;

    if (connection->state == UPGRADING) {
        if ((used = ws_upgraded(bytes, size)) == 0)
            return 0;
        commands_send(connection);
    }
    while (ws_next(bytes + used, size - used, false, &frame)) {
        frame_take(connection, &frame);
        used += frame.size;
    }
    return used;
}

static void connection_read(struct connection *connection)
{
    static char in[256 * 1024];
    ssize_t got = recv(connection->fd, in, sizeof in, 0);
    char *bytes = in, *kept = NULL;
    size_t size, used;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        connection_lost(connection);
        return;
    }
    size = (size_t)got;
    if (connection->kept_size > 0) {
        size += connection->kept_size;
        if ((bytes = realloc(connection->kept, size)) == NULL)
            fail("out of memory");
        memcpy(bytes + connection->kept_size, in, (size_t)got);
        kept = bytes;
    }
    connection->kept = NULL;
    connection->kept_size = 0;
    used = bytes_take(connection, bytes, size);
    if (used < size) {
        connection->kept_size = size - used;
        connection->kept = allocate(connection->kept_size, 1);
        memcpy(connection->kept, bytes + used, connection->kept_size);
    }
    free(kept);
}

static void connection_made(struct connection *connection)
{
    int problem = 0;
    socklen_t size = sizeof problem;
    char request[512];

    if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &problem, &size) != 0 || problem != 0) {
        connection_lost(connection);
        return;
    }
    watch(connection, EPOLL_CTL_MOD, EPOLLIN);
    connection->state = UPGRADING;
    connection_write(connection, request, ws_upgrade(request, sizeof request, host, port));
}

/* ---- commands ---- */

static void counts_reset(void)
{
    counts = (struct counts){.since_ns = now_ns()};
    sample_size = 0;
}

static double since_s(uint64_t at_ns)
{
    return at_ns < counts.since_ns ? 0.0 : (double)(at_ns - counts.since_ns) / (double)NANOSECONDS;
}

static void report(void)
{
    printf("{\"connections\": %zu, \"subscribed\": %zu, \"opened\": %zu, \"recovered\": %zu, "
           "\"unrecovered\": %zu, \"recovered_publications\": %zu, \"pushes\": %zu, "
           "\"push_bytes\": %zu, \"gaps\": %zu, \"retries\": %zu, \"seconds\": %.6f, "
           "\"first_s\": %.6f, \"last_s\": %.6f}\n",
           open_now, subscribed_now, counts.opened, counts.recovered, counts.unrecovered,
           counts.recovered_publications, counts.pushes, counts.push_bytes, counts.gaps,
           counts.retries, since_s(now_ns()), since_s(counts.first_ns), since_s(counts.last_ns));
    fflush(stdout);
}

static void goal_set(enum goal wanted, double seconds)
{
    goal = wanted;
    goal_deadline_ns = now_ns() + (uint64_t)(seconds * (double)NANOSECONDS);
}

static void goal_check(void)
{
    bool reached = (goal == ALL_OPEN && open_now == connections_count)
                || (goal == PUSHES && counts.pushes >= goal_pushes)
                || (goal == ALL_LOST && open_now + opening_now == 0);

    if (reached) {
        goal = NOTHING;
        report();
    } else if (goal != NOTHING && now_ns() > goal_deadline_ns) {
        fail("time is over: %zu of %zu connections open, %zu opening, %zu subscribed, %zu of %zu "
             "pushes, %zu retries, last close code %u",
             open_now, connections_count, opening_now, subscribed_now, counts.pushes, goal_pushes,
             counts.retries, last_close_code);
    }
}

static void command_execute(const char *command)
{
    double seconds;

    if (goal != NOTHING)
        fail("a command while another one is under way: %s", command);
    if (sscanf(command, "open %lf", &seconds) == 1) {
        counts_reset();
        last_close_code = 0;
        for (size_t i = 0; i < connections_count; i++)
            if (connections[i].state == CLOSED)
                connection_wait(&connections[i]);
        goal_set(ALL_OPEN, seconds);
    } else if (sscanf(command, "await %zu %lf", &goal_pushes, &seconds) == 2) {
        if (open_now < connections_count)
            fail("only %zu of %zu connections are open", open_now, connections_count);
        goal_set(PUSHES, seconds);
    } else if (sscanf(command, "lost %lf", &seconds) == 1) {
        goal_set(ALL_LOST, seconds);
    } else if (strcmp(command, "reset") == 0) {
        counts_reset();
        report();
    } else if (strcmp(command, "sample") == 0) {
        printf("%.*s\n", (int)sample_size, sample_size > 0 ? sample : "");
        fflush(stdout);
    } else {
        fail("unknown command: %s", command);
    }
}

static void commands_read(void)
{
    static char line[COMMAND_MAX];
    static size_t size;
    ssize_t got = read(STDIN_FILENO, line + size, sizeof line - size);
    char *end;

    if (got == 0)
        exit(0);
    if (got < 0)
        fail("stdin: %s", strerror(errno));
    size += (size_t)got;
    while ((end = memchr(line, '\n', size)) != NULL) {
        *end = '\0';
        command_execute(line);
        size -= (size_t)(end + 1 - line);
        memmove(line, end + 1, size);
    }
    if (size == sizeof line)
        fail("a command longer than %d bytes", COMMAND_MAX);
}

/* ---- the loop ---- */

/* After something came, look for more for a while before sleeping: who sends to a sleeping process pays
 * for its waking up, the more often the faster we are, and that is no part of what is measured. */
static int wait_ms(uint64_t awake_until_ns)
{
    if (now_ns() < awake_until_ns)
        return 0;
    if (goal == NOTHING)
        return -1;
    return waiting_count > 0 && opening_now < opening_max ? 5 : 100;
}

static void events_serve(void)
{
    static struct epoll_event events[EVENTS_MAX];
    static uint64_t awake_until_ns;
    int ready = epoll_wait(poll_fd, events, EVENTS_MAX, wait_ms(awake_until_ns));

    if (ready < 0 && errno != EINTR)
        fail("epoll: %s", strerror(errno));
    for (int i = 0; i < ready; i++) {
        struct connection *connection = events[i].data.ptr;

        if (connection == NULL)
            commands_read();
        else if (connection->state == CONNECTING)
            connection_made(connection);
        else
            connection_read(connection);
    }
    if (ready > 0)
        awake_until_ns = now_ns() + AWAKE_NS;
}

int main(int argc, char **argv)
{
    struct epoll_event stdin_event = {.events = EPOLLIN};

    if (argc != 6)
        fail("usage: ws_subscribers HOST PORT FILE OPENING SECONDS");
    host = argv[1];
    port = argv[2];
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    opening_max = strtoul(argv[4], NULL, 10);
    if (inet_pton(AF_INET, host, &server.sin_addr) != 1)
        fail("%s is not an IPv4 address", host);
    if (opening_max < 1)
        fail("at least one connection at a time");
    life_end_after(argv[5]);
    connections_load(argv[3]);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poll_fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &stdin_event) != 0)
        fail("epoll: %s", strerror(errno));
    counts_reset();
    for (;;) {
        connections_open_next();
        goal_check();
        events_serve();
    }
}
