/*
 * Many watchers in one thread: opens COUNT watches over TLS and counts the events that each brings.
 *
 *     watchers HOST PORT PATH COUNT SECONDS     (the bearer token is read from standard input)
 *
 * It prints "open" once the server has answered all of them, and, when standard input is closed and no event has come
 * for SECONDS, one line of JSON: events, the seconds from the first to the last, watches that ended, bytes.
 * Certificates are not verified: it measures, and is told nothing that it would act upon.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER 65536
#define TURNS 256

/* An event follows the end of the one before, or of the line that tells the size of a chunk. */
static const char EVENT[] = "\n{\"type\":\"";

struct watcher {
    SSL *tls;
    bool answered;
    bool ended;
    size_t matched; /* how much of EVENT the last bytes were */
};

static unsigned long long events, bytes;
static unsigned answered, ended;
static double first, last;

static void fail(const char *what) {
    fprintf(stderr, "watchers: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static int connected(const char *host, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int on = 1;
    if (getaddrinfo(host, port, &hints, &found) != 0) fail("host");
    int file = socket(found->ai_family, SOCK_STREAM, 0);
    if (file < 0 || connect(file, found->ai_addr, found->ai_addrlen) != 0) fail("connect");
    setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    freeaddrinfo(found);
    return file;
}

/* Sends the request over a blocking socket, which reads without blocking from then on. */
static void begin(struct watcher *watcher, SSL_CTX *context, int loop, char **asked, const char *token) {
    char request[8192];
    int file = connected(asked[1], asked[2]);
    watcher->tls = SSL_new(context);
    SSL_set_fd(watcher->tls, file);
    if (SSL_connect(watcher->tls) != 1) fail("TLS");
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: %s:%s\r\nAuthorization: Bearer %s\r\nAccept: application/json\r\n\r\n",
                          asked[3], asked[1], asked[2], token);
    if (length >= (int)sizeof request || SSL_write(watcher->tls, request, length) != length) fail("request");
    fcntl(file, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = watcher};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, file, &event) != 0) fail("epoll");
}

/* Counts in what has arrived; an event may begin in one piece and go on in the next. EVENT has its first character only once. */
static unsigned count(struct watcher *watcher, const char *text, int length) {
    unsigned found = 0;
    for (int at = 0; at < length; at++) {
        if (watcher->matched == 0) {
            const char *next = memchr(text + at, EVENT[0], length - at);
            if (next == NULL) break;
            at = next - text;
        }
        if (text[at] == EVENT[watcher->matched]) watcher->matched++;
        else watcher->matched = text[at] == EVENT[0];
        if (watcher->matched == sizeof EVENT - 1) {
            found++;
            watcher->matched = 0;
        }
    }
    return found;
}

static void take(struct watcher *watcher) {
    static char text[BUFFER];
    for (;;) {
        int length = SSL_read(watcher->tls, text, sizeof text);
        if (length <= 0) {
            int why = SSL_get_error(watcher->tls, length);
            if (why == SSL_ERROR_WANT_READ) return;
            close(SSL_get_fd(watcher->tls));
            if (!watcher->ended) ended++;
            watcher->ended = true;
            return;
        }
        if (!watcher->answered) {
            if (strncmp(text, "HTTP/1.1 200", 12) != 0) {
                fprintf(stderr, "watchers: refused: %.200s\n", text);
                exit(1);
            }
            watcher->answered = true;
            answered++;
        }
        unsigned found = count(watcher, text, length);
        bytes += length;
        if (found == 0) continue;
        last = now();
        if (events == 0) first = last;
        events += found;
    }
}

int main(int arguments, char **asked) {
    char token[4096] = "", end[1];
    if (arguments != 6) {
        fprintf(stderr, "usage: watchers HOST PORT PATH COUNT SECONDS < TOKEN\n");
        return 2;
    }
    unsigned wanted = atoi(asked[4]);
    double patience = atof(asked[5]);
    if (fgets(token, sizeof token, stdin) == NULL) fail("token");
    token[strcspn(token, "\n")] = 0;
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    struct watcher *all = calloc(wanted, sizeof *all);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    int loop = epoll_create1(0);
    for (unsigned each = 0; each < wanted; each++) begin(&all[each], context, loop, asked, token);

    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    bool told = false, closed = false;
    double since = now();
    while (!closed || now() - since < patience) {
        struct epoll_event ready[TURNS];
        unsigned long long before = events;
        int turns = epoll_wait(loop, ready, TURNS, 50);
        for (int turn = 0; turn < turns; turn++) take(ready[turn].data.ptr);
        if (!told && answered == wanted) {
            told = true;
            puts("open");
            fflush(stdout);
        }
        if (!closed && read(STDIN_FILENO, end, 1) == 0) closed = true;
        if (events != before || !closed) since = now();
    }
    printf("{\"events\":%llu,\"seconds\":%.6f,\"ended\":%u,\"bytes\":%llu}\n", events, last - first, ended, bytes);
    return 0;
}
