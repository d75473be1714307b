#include "base/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "base/strbuf.h"
#include "base/tls.h"

typedef enum StreamPhase {
    STREAM_RESOLVING,
    STREAM_CONNECTING,
    STREAM_HANDSHAKING,
    STREAM_OPEN,
    STREAM_FLUSHING,  // closed by the owner, output still going out
    STREAM_LINGERING, // output is out, what comes in is thrown away
    STREAM_CLOSED,
} StreamPhase;

struct Stream {
    uv_loop_t *loop;
    uv_poll_t poll;
    int events;       // that poll watches for
    uv_timer_t timer; // handshake, connect and flush deadlines
    uv_timer_t again; // OpenSSL holds decrypted bytes that poll can't see
    uv_getaddrinfo_t resolve;
    struct addrinfo *addresses, *address; // all, and the next to try
    const StreamHandlers *handlers;
    void *owner;
    TlsContext *tls;
    SSL *ssl;
    int fd;
    StreamPhase phase;
    StrBuf in, out;
    size_t out_from; // bytes of `out` already sent
    size_t input_limit;
    int port;
    bool unread; // the last read found something, so there may be more
    bool paused, peer_ended, want_write, want_read_for_write, above_low_water, linger;
    int handles; // uv handles to be closed before the memory may go
    char *name;
    char peer[INET6_ADDRSTRLEN];
    uint64_t bytes_read;
    int64_t last_read_ms;
    Fail why;
};

static void stream_update_poll(Stream *stream);
static void stream_fail(Stream *stream, const char *what, int error);

static void stream_free(Stream *stream)
{
    SSL_free(stream->ssl);
    tls_context_unref(stream->tls);
    strbuf_done(&stream->in);
    strbuf_done(&stream->out);
    uv_freeaddrinfo(stream->addresses);
    free(stream->name);
    fail_done(&stream->why);
    free(stream);
}

static void stream_handle_closed(uv_handle_t *handle)
{
    Stream *stream = handle->data;
    if (--stream->handles)
        return;
    if (stream->fd >= 0)
        close(stream->fd);
    if (stream->handlers->closed)
        stream->handlers->closed(stream, &stream->why, stream->owner);
    stream_free(stream);
}

static void stream_shut(Stream *stream)
{
    if (stream->phase == STREAM_CLOSED)
        return;
    bool resolving = stream->phase == STREAM_RESOLVING;
    stream->phase = STREAM_CLOSED;
    stream->handles = 2;
    if (stream->poll.data) {
        stream->handles++;
        uv_close((uv_handle_t *)&stream->poll, stream_handle_closed);
    }
    if (resolving) {
        uv_cancel((uv_req_t *)&stream->resolve);
        stream->handles++; // stream_resolved() comes all the same and counts down
    }
    uv_close((uv_handle_t *)&stream->timer, stream_handle_closed);
    uv_close((uv_handle_t *)&stream->again, stream_handle_closed);
}

static void stream_fail(Stream *stream, const char *what, int error)
{
    if (error)
        fail_errno(&stream->why, FAIL_UNAVAILABLE, error, "%s", what);
    else
        fail_set(&stream->why, FAIL_UNAVAILABLE, "%s", what);
    stream_shut(stream);
}

static void stream_note_tls(Stream *stream, const char *what)
{
    char text[256] = "";
    unsigned long code = ERR_peek_error();
    long verify = stream->ssl ? SSL_get_verify_result(stream->ssl) : X509_V_OK;
    if (code)
        ERR_error_string_n(code, text, sizeof(text));
    ERR_clear_error();
    fail_set(&stream->why, FAIL_UNAVAILABLE, "%s", what);
    if (verify != X509_V_OK)
        fail_detail(&stream->why, "%s", X509_verify_cert_error_string(verify));
    else if (*text)
        fail_detail(&stream->why, "%s", text);
}

static void stream_timed_out(uv_timer_t *timer)
{
    Stream *stream = timer->data;
    if (stream->phase == STREAM_FLUSHING || stream->phase == STREAM_LINGERING)
        stream_shut(stream);
    else if (stream->phase == STREAM_HANDSHAKING)
        stream_fail(stream, "The peer did not finish the TLS handshake in time.", 0);
    else
        stream_fail(stream, "The peer did not answer the connection request in time.", 0);
}

// ---- output

// SSL_read() or SSL_write() broke: an alert of the peer, or nonsense from it, is told in `why`.
static ssize_t stream_tls_broken(Stream *stream, int kind)
{
    int error = errno;
    if (kind == SSL_ERROR_SYSCALL) {
        ERR_clear_error();
        return error ? -error : -EPIPE;
    }
    stream_note_tls(stream, "The connection broke.");
    return -EPROTO;
}

// >0 bytes sent, 0 would block, <0 broken.
static ssize_t stream_send(Stream *stream, const char *data, size_t length)
{
    if (!stream->ssl) {
        ssize_t sent = send(stream->fd, data, length, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            stream->want_write = true;
            return 0;
        }
        return sent < 0 ? -errno : sent;
    }
    ERR_clear_error();
    errno = 0; // OpenSSL sets it only when a system call failed
    int sent = SSL_write(stream->ssl, data, length > 1 << 20 ? 1 << 20 : (int)length);
    if (sent > 0)
        return sent;
    int kind = SSL_get_error(stream->ssl, sent);
    switch (kind) {
    case SSL_ERROR_WANT_WRITE: stream->want_write = true; return 0;
    case SSL_ERROR_WANT_READ: stream->want_read_for_write = true; return 0;
    default: return stream_tls_broken(stream, kind);
    }
}

static void stream_cork(Stream *stream, int on)
{
    setsockopt(stream->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

// Sends until the socket takes no more; false when the connection broke.
static bool stream_send_all(Stream *stream, const char *data, size_t length, size_t *ret_sent)
{
    bool cork = length > 32768;
    ssize_t sent = 1;
    *ret_sent = 0;
    if (cork)
        stream_cork(stream, 1);
    while (*ret_sent < length &&
           (sent = stream_send(stream, data + *ret_sent, length - *ret_sent)) > 0)
        *ret_sent += (size_t)sent;
    if (sent < 0) {
        stream_fail(stream, "The connection broke while sending.", (int)-sent);
        return false;
    }
    if (cork)
        stream_cork(stream, 0);
    return true;
}

static void stream_flush(Stream *stream)
{
    size_t sent;
    stream->want_write = stream->want_read_for_write = false;
    if (!stream_queued(stream))
        return;
    if (!stream_send_all(stream, stream->out.data + stream->out_from, stream_queued(stream), &sent))
        return;
    stream->out_from += sent;
    if (stream->out_from == stream->out.length) {
        stream->out_from = 0;
        strbuf_clear(&stream->out);
        if (stream->out.capacity > STREAM_HIGH_WATER)
            strbuf_done(&stream->out);
    } else if (stream->out_from > STREAM_HIGH_WATER &&
               stream->out_from > stream->out.length / 2) { // or long queues would be moved often
        strbuf_consume(&stream->out, stream->out_from);
        stream->out_from = 0;
    }
}

static void stream_discard(Stream *stream)
{
    char nowhere[16384];
    ssize_t got = 1;
    for (int round = 0; round < 256 && got > 0; round++)
        got = recv(stream->fd, nowhere, sizeof(nowhere), 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        stream_shut(stream);
}

// All is sent but the end itself.
static void stream_finish(Stream *stream)
{
    int done = stream->ssl ? SSL_shutdown(stream->ssl) : 1;
    if (done < 0 && SSL_get_error(stream->ssl, done) == SSL_ERROR_WANT_WRITE) {
        stream->want_write = true;
        return;
    }
    ERR_clear_error();
    if (!stream->linger || stream->peer_ended) {
        stream_discard(stream); // or the kernel resets the connection, and with it what is sent
        stream_shut(stream);
        return;
    }
    shutdown(stream->fd, SHUT_WR);
    stream->phase = STREAM_LINGERING;
    uv_timer_start(&stream->timer, stream_timed_out, STREAM_LINGER_MS, 0);
}

static void stream_after_flush(Stream *stream)
{
    if (stream->phase == STREAM_FLUSHING && !stream_queued(stream)) {
        stream_finish(stream);
        return;
    }
    if (stream->phase != STREAM_OPEN || !stream->above_low_water ||
        stream_queued(stream) >= STREAM_LOW_WATER)
        return;
    stream->above_low_water = false;
    if (stream->handlers->drained)
        stream->handlers->drained(stream, stream->owner);
}

void stream_write(Stream *stream, const void *data, size_t length)
{
    if (stream->phase >= STREAM_FLUSHING || !length)
        return;
    if (stream->phase == STREAM_OPEN && !stream_queued(stream)) {
        size_t sent;
        if (!stream_send_all(stream, data, length, &sent))
            return;
        data = (const char *)data + sent;
        length -= sent;
    }
    if (length)
        strbuf_add(&stream->out, data, length);
    if (stream_queued(stream) >= STREAM_LOW_WATER)
        stream->above_low_water = true;
    if (stream->phase == STREAM_OPEN) {
        stream->want_write |= stream_queued(stream) > 0 && !stream->want_read_for_write;
        stream_update_poll(stream);
    }
}

size_t stream_write_some(Stream *stream, const void *data, size_t length)
{
    size_t sent = 0;
    if (stream->phase > STREAM_OPEN)
        return length;
    bool first = stream->phase == STREAM_OPEN && !stream_queued(stream);
    if (first && !stream_send_all(stream, data, length, &sent))
        return length;
    if (sent == length)
        return sent;
    // OpenSSL may have sealed one record of the rest and wants the same bytes again, whatever the
    // owner does next.
    size_t record = first ? length - sent : 0;
    if (record > SSL3_RT_MAX_PLAIN_LENGTH)
        record = SSL3_RT_MAX_PLAIN_LENGTH;
    strbuf_add(&stream->out, (const char *)data + sent, record);
    stream_ask_drained(stream);
    return sent + record;
}

size_t stream_queued(const Stream *stream)
{
    return stream->out.length - stream->out_from;
}

void stream_ask_drained(Stream *stream)
{
    if (stream->phase >= STREAM_FLUSHING)
        return;
    stream->above_low_water = true;
    stream->want_write |= stream->phase == STREAM_OPEN && !stream->want_read_for_write;
    stream_update_poll(stream);
}

// ---- input

static ssize_t stream_receive(Stream *stream, char *data, size_t length)
{
    if (!stream->ssl) {
        ssize_t got = recv(stream->fd, data, length, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return -EAGAIN;
        return got < 0 ? -errno : got;
    }
    ERR_clear_error();
    errno = 0;
    int got = SSL_read(stream->ssl, data, (int)length);
    if (got > 0)
        return got;
    int kind = SSL_get_error(stream->ssl, got);
    switch (kind) {
    case SSL_ERROR_WANT_READ: return -EAGAIN;
    case SSL_ERROR_WANT_WRITE: stream->want_write = true; return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN: return 0;
    default: return stream_tls_broken(stream, kind);
    }
}

// Shows the buffered bytes to the owner until it takes no more.
static void stream_offer(Stream *stream)
{
    size_t from = 0; // moved once, not for each piece: there may be thousands
    while (from < stream->in.length && stream->phase == STREAM_OPEN && !stream->paused) {
        size_t taken = stream->handlers->data(stream, stream->in.data + from,
                                              stream->in.length - from, stream->owner);
        if (!taken)
            break;
        from += taken;
    }
    strbuf_consume(&stream->in, from);
}

static void stream_ended(Stream *stream)
{
    if (stream->peer_ended || stream->phase != STREAM_OPEN)
        return;
    stream->peer_ended = true;
    if (stream->handlers->ended)
        stream->handlers->ended(stream, stream->owner);
    else
        stream_shut(stream);
}

static void stream_read(Stream *stream)
{
    // At most four buffers per round, so that one fast peer doesn't starve the others.
    for (int round = 0; round < 4; round++) {
        if (stream->phase != STREAM_OPEN || stream->paused || stream->peer_ended ||
            stream->in.length >= stream->input_limit)
            return;
        size_t room = stream->input_limit - stream->in.length;
        if (room > 32768)
            room = 32768;
        strbuf_reserve(&stream->in, room);
        ssize_t got = stream_receive(stream, stream->in.data + stream->in.length, room);
        stream->unread = got > 0;
        if (got == -EAGAIN)
            break;
        if (got <= 0) {
            stream_offer(stream);
            if (got == 0)
                stream_ended(stream);
            else if (stream->phase == STREAM_OPEN)
                stream_fail(stream, "The connection broke.", (int)-got);
            return;
        }
        stream->in.length += (size_t)got;
        stream->bytes_read += (uint64_t)got;
        stream->last_read_ms = clock_monotonic_ms();
        stream_offer(stream);
    }
    if (stream->phase == STREAM_OPEN && !stream->in.length && stream->in.capacity)
        strbuf_done(&stream->in); // idle connections keep no buffer
}

// ---- life

static void stream_opened(Stream *stream)
{
    stream->phase = STREAM_OPEN;
    stream->last_read_ms = clock_monotonic_ms();
    uv_timer_stop(&stream->timer);
    if (stream->handlers->opened)
        stream->handlers->opened(stream, stream->owner);
    if (stream->phase == STREAM_OPEN)
        stream_flush(stream);
}

static void stream_handshake(Stream *stream)
{
    ERR_clear_error();
    int result = SSL_do_handshake(stream->ssl);
    stream->want_write = false;
    if (result == 1) {
        stream_opened(stream);
        return;
    }
    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ: break;
    case SSL_ERROR_WANT_WRITE: stream->want_write = true; break;
    default:
        stream_note_tls(stream, "The TLS handshake failed.");
        stream_shut(stream);
        break;
    }
}

static void stream_connect_next(Stream *stream, int error);

static int stream_socket_error(Stream *stream)
{
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
}

static void stream_connected(Stream *stream)
{
    int error = stream_socket_error(stream);
    if (error) {
        stream_connect_next(stream, error);
        return;
    }
    stream->want_write = false;
    if (!stream->tls) {
        stream_opened(stream);
        return;
    }
    stream->phase = STREAM_HANDSHAKING;
    uv_timer_start(&stream->timer, stream_timed_out, STREAM_HANDSHAKE_MS, 0);
    stream_handshake(stream);
}

static void stream_process(Stream *stream, int events)
{
    if (stream->phase == STREAM_CONNECTING)
        stream_connected(stream);
    else if (stream->phase == STREAM_HANDSHAKING)
        stream_handshake(stream);
    if (stream->phase == STREAM_OPEN || stream->phase == STREAM_FLUSHING) {
        if ((events & UV_WRITABLE) || stream->want_read_for_write)
            stream_flush(stream);
        if (stream->phase < STREAM_CLOSED)
            stream_after_flush(stream);
    }
    if (stream->phase == STREAM_OPEN)
        stream_read(stream);
    if (stream->phase == STREAM_LINGERING)
        stream_discard(stream);
    stream_update_poll(stream);
}

// libuv reports every error of a socket as EBADF.
static void stream_broke(Stream *stream)
{
    if (stream->phase == STREAM_CONNECTING) {
        stream_process(stream, 0);
        return;
    }
    if (stream->phase == STREAM_OPEN)
        stream_read(stream); // what came before
    if (stream->phase >= STREAM_LINGERING) {
        stream_shut(stream);
        return;
    }
    int error = stream_socket_error(stream);
    stream_fail(stream, "The connection broke.", error ? error : ECONNRESET);
}

static void stream_polled(uv_poll_t *poll, int status, int events)
{
    Stream *stream = poll->data;
    if (status < 0)
        stream_broke(stream);
    else
        stream_process(stream, events);
}

static void stream_again(uv_timer_t *timer)
{
    Stream *stream = timer->data;
    stream_offer(stream);
    stream_process(stream, 0);
}

static void stream_update_poll(Stream *stream)
{
    if (stream->phase == STREAM_CLOSED || stream->phase == STREAM_RESOLVING)
        return;
    int events = 0;
    bool reading = stream->phase == STREAM_HANDSHAKING || stream->phase == STREAM_LINGERING ||
                   stream->want_read_for_write ||
                   (stream->phase == STREAM_OPEN && !stream->paused && !stream->peer_ended &&
                    stream->in.length < stream->input_limit);
    if (reading)
        events |= UV_READABLE;
    if (stream->want_write || stream->phase == STREAM_CONNECTING)
        events |= UV_WRITABLE;
    if (events && events != stream->events)
        uv_poll_start(&stream->poll, events, stream_polled);
    else if (!events)
        uv_poll_stop(&stream->poll);
    stream->events = events;
    // Half a record may be pending too: that nothing could be read of it was seen then.
    if (reading && stream->phase == STREAM_OPEN && stream->unread && stream->ssl &&
        SSL_has_pending(stream->ssl))
        uv_timer_start(&stream->again, stream_again, 0, 0);
}

static Stream *stream_new(uv_loop_t *loop, TlsContext *tls, const StreamHandlers *handlers,
                          void *owner)
{
    Stream *stream = NEW(Stream);
    *stream = (Stream){.loop = loop,
                       .handlers = handlers,
                       .owner = owner,
                       .tls = tls_context_ref(tls),
                       .fd = -1,
                       .input_limit = STREAM_LOW_WATER};
    uv_timer_init(loop, &stream->timer);
    uv_timer_init(loop, &stream->again);
    stream->timer.data = stream->again.data = stream;
    return stream;
}

static void stream_take_fd(Stream *stream, int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (stream->fd >= 0) { // the next address: its socket takes the number of the one that failed
        uv_poll_stop(&stream->poll);
        stream->events = 0;
        dup3(fd, stream->fd, O_CLOEXEC);
        close(fd);
        return;
    }
    stream->fd = fd;
    uv_poll_init(stream->loop, &stream->poll, fd);
    stream->poll.data = stream;
    if (!stream->tls)
        return;
    stream->ssl = SSL_new(stream->tls->ssl);
    SSL_set_fd(stream->ssl, fd);
    if (!stream->tls->client) {
        SSL_set_accept_state(stream->ssl);
        return;
    }
    SSL_set_connect_state(stream->ssl);
    if (!stream->name)
        return;
    struct in6_addr address;
    bool ip = inet_pton(AF_INET, stream->name, &address) == 1 ||
              inet_pton(AF_INET6, stream->name, &address) == 1;
    if (ip)
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(stream->ssl), stream->name);
    else {
        SSL_set1_host(stream->ssl, stream->name);
        SSL_set_tlsext_host_name(stream->ssl, stream->name);
    }
}

static void stream_note_peer(Stream *stream, const struct sockaddr *address)
{
    const void *at = address->sa_family == AF_INET
                         ? (const void *)&((const struct sockaddr_in *)address)->sin_addr
                         : (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr;
    if (address->sa_family != AF_INET && address->sa_family != AF_INET6)
        return;
    inet_ntop(address->sa_family, at, stream->peer, sizeof(stream->peer));
    if (!strncmp(stream->peer, "::ffff:", 7))
        memmove(stream->peer, stream->peer + 7, strlen(stream->peer + 7) + 1);
}

Stream *stream_accept(uv_loop_t *loop, int fd, TlsContext *tls, const StreamHandlers *handlers,
                      void *owner)
{
    Stream *stream = stream_new(loop, tls, handlers, owner);
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    if (getpeername(fd, (struct sockaddr *)&address, &size) == 0)
        stream_note_peer(stream, (struct sockaddr *)&address);
    stream_take_fd(stream, fd);
    stream->phase = tls ? STREAM_HANDSHAKING : STREAM_CONNECTING;
    // The owner is called from the loop, never from inside this function.
    if (tls)
        uv_timer_start(&stream->timer, stream_timed_out, STREAM_HANDSHAKE_MS, 0);
    stream_update_poll(stream);
    return stream;
}

static int stream_try(Stream *stream, const struct sockaddr *address, socklen_t size)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, address, size) < 0 && errno != EINPROGRESS) {
        int error = -errno;
        close(fd);
        return error;
    }
    stream_note_peer(stream, address);
    stream_take_fd(stream, fd);
    stream_update_poll(stream);
    return 0;
}

// Tries the addresses that are left; `error` is what happened to the one before.
static void stream_connect_next(Stream *stream, int error)
{
    for (struct addrinfo *at; (at = stream->address);) {
        stream->address = at->ai_next;
        if (at->ai_family == AF_INET)
            ((struct sockaddr_in *)at->ai_addr)->sin_port = htons((uint16_t)stream->port);
        else
            ((struct sockaddr_in6 *)at->ai_addr)->sin6_port = htons((uint16_t)stream->port);
        error = stream_try(stream, at->ai_addr, at->ai_addrlen);
        if (!error)
            return;
    }
    stream_fail(stream, "The peer can't be reached.", error);
}

static void stream_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    Stream *stream = request->data;
    stream->addresses = stream->address = found;
    if (stream->phase == STREAM_CLOSED) {
        stream_handle_closed((uv_handle_t *)&stream->timer);
        return;
    }
    stream->phase = STREAM_CONNECTING; // nothing to cancel any more
    if (status < 0) {
        fail_set(&stream->why, FAIL_UNAVAILABLE, "The peer's name can't be resolved.");
        fail_detail(&stream->why, "%s", uv_strerror(status));
        stream_shut(stream);
        return;
    }
    stream_connect_next(stream, 0);
}

Stream *stream_connect(uv_loop_t *loop, const char *address, int port, TlsContext *tls,
                       const char *name, int timeout_ms, const StreamHandlers *handlers,
                       void *owner)
{
    Stream *stream = stream_new(loop, tls, handlers, owner);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    stream->name = memory_string(name);
    stream->port = port;
    stream->phase = STREAM_RESOLVING;
    stream->resolve.data = stream;
    uv_timer_start(&stream->timer, stream_timed_out, (uint64_t)timeout_ms, 0);
    int error = uv_getaddrinfo(loop, &stream->resolve, stream_resolved, address, NULL, &hints);
    if (error) {
        stream->phase = STREAM_CONNECTING;
        stream_fail(stream, "The peer's name can't be resolved.", error);
    }
    return stream;
}

Stream *stream_connect_path(uv_loop_t *loop, const char *path, const StreamHandlers *handlers,
                            void *owner)
{
    Stream *stream = stream_new(loop, NULL, handlers, owner);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    stream->phase = STREAM_CONNECTING;
    if (strlen(path) >= sizeof(address.sun_path)) {
        stream_fail(stream, "The socket's path is too long.", ENAMETOOLONG);
        return stream;
    }
    strcpy(address.sun_path, path);
    int error = stream_try(stream, (struct sockaddr *)&address, sizeof(address));
    if (error)
        stream_fail(stream, "The peer can't be reached.", error);
    return stream;
}

void stream_set_owner(Stream *stream, const StreamHandlers *handlers, void *owner)
{
    stream->handlers = handlers;
    stream->owner = owner;
}

void stream_set_input_limit(Stream *stream, size_t bytes)
{
    stream->input_limit = bytes;
    if (stream->phase == STREAM_OPEN)
        stream_update_poll(stream);
}

void stream_pause(Stream *stream)
{
    stream->paused = true;
    stream_update_poll(stream);
}

void stream_resume(Stream *stream)
{
    if (!stream->paused)
        return;
    stream->paused = false;
    if (stream->phase != STREAM_OPEN)
        return;
    uv_timer_start(&stream->again, stream_again, 0, 0); // buffered bytes first, from the loop
    stream_update_poll(stream);
}

void stream_linger(Stream *stream)
{
    stream->linger = true;
}

void stream_close(Stream *stream, bool flush)
{
    if (!flush || stream->phase < STREAM_OPEN) {
        stream_shut(stream);
        return;
    }
    if (stream->phase >= STREAM_FLUSHING)
        return;
    stream->phase = STREAM_FLUSHING;
    stream->want_write = true;
    uv_timer_start(&stream->timer, stream_timed_out, STREAM_HANDSHAKE_MS, 0);
    stream_after_flush(stream);
    stream_update_poll(stream);
}

bool stream_is_open(const Stream *stream)
{
    return stream->phase == STREAM_OPEN;
}

const char *stream_peer(const Stream *stream)
{
    return stream->peer;
}

static char *stream_peer_member(const Stream *stream, int member)
{
    X509 *certificate = stream->ssl ? SSL_get1_peer_certificate(stream->ssl) : NULL;
    if (!certificate)
        return NULL;
    char text[256];
    int length =
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), member, text, sizeof(text));
    X509_free(certificate);
    bool whole = length > 0 && strlen(text) == (size_t)length; // no NUL that hides the rest
    return whole ? memory_string(text) : NULL;
}

char *stream_peer_name(const Stream *stream)
{
    return stream_peer_member(stream, NID_commonName);
}

char *stream_peer_unit(const Stream *stream)
{
    return stream_peer_member(stream, NID_organizationalUnitName);
}

bool stream_peer_is_self(const Stream *stream)
{
    X509 *theirs = stream->ssl ? SSL_get0_peer_certificate(stream->ssl) : NULL;
    X509 *ours = theirs ? SSL_get_certificate(stream->ssl) : NULL;
    return ours && !X509_cmp(theirs, ours);
}

void stream_keep_alive(Stream *stream)
{
    int on = 1, idle_s = 60, step_s = 10, steps = 3;
    if (stream->fd < 0)
        return;
    setsockopt(stream->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(stream->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    setsockopt(stream->fd, IPPROTO_TCP, TCP_KEEPINTVL, &step_s, sizeof(step_s));
    setsockopt(stream->fd, IPPROTO_TCP, TCP_KEEPCNT, &steps, sizeof(steps));
}

char *stream_local_address(const Stream *stream)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    char text[INET6_ADDRSTRLEN] = "";
    if (getsockname(stream->fd, (struct sockaddr *)&address, &size) < 0)
        return memory_string("");
    if (address.ss_family == AF_INET)
        inet_ntop(AF_INET, &((struct sockaddr_in *)&address)->sin_addr, text, sizeof(text));
    else if (address.ss_family == AF_INET6)
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&address)->sin6_addr, text, sizeof(text));
    return memory_string(!strncmp(text, "::ffff:", 7) ? text + 7 : text);
}

uint64_t stream_bytes_read(const Stream *stream)
{
    return stream->bytes_read;
}

int64_t stream_last_read_ms(const Stream *stream)
{
    return stream->last_read_ms;
}
