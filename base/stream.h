// A byte stream over TCP or a Unix socket, with or without TLS, on a libuv loop. Never blocks.
//
// Reading: the owner's `data` callback sees everything that is buffered and says how much it has
// taken; the rest is shown again together with what comes next. The buffer is bounded: when it is
// full, or stream_pause() was called, nothing is read from the peer.
// Writing: stream_write() never fails and never blocks; the owner watches stream_queued() and
// stops producing until `drained` is called.
//
// All calls belong to the loop's thread. After stream_close() no callback comes but `closed`, once.
#pragma once

#include <sys/types.h>
#include <uv.h>

#include "base/fail.h"
#include "base/memory.h"

typedef struct TlsContext TlsContext;

// Server side, or client side when `client`. `certificate` (PEM) may be followed by those of
// authorities between it and the root. `authority` (PEM) is whom we trust in the peer; with
// `require_peer` a peer without a certificate of it is refused. Reference counted: streams keep it.
TlsContext *tls_context_new(bool client, const char *certificate, const char *key,
                            const char *authority, bool require_peer, Fail *why);
void tls_context_unref(TlsContext *context);
// Fresh certificate for connections to come (renewal without restart).
int tls_context_set_certificate(TlsContext *context, const char *certificate, const char *key,
                                Fail *why);

typedef struct Stream Stream;

typedef struct StreamHandlers {
    // TCP is connected and TLS is done.
    void (*opened)(Stream *stream, void *owner);
    // Returns the number of bytes taken. It may close the stream.
    size_t (*data)(Stream *stream, const char *data, size_t length, void *owner);
    // The peer has ended its side in good order; without this handler the stream is closed.
    void (*ended)(Stream *stream, void *owner);
    // Queued output has fallen under the low-water mark (64 KiB).
    void (*drained)(Stream *stream, void *owner);
    // Gone for good; `why` is empty after an orderly end. The stream is freed afterwards.
    void (*closed)(Stream *stream, const Fail *why, void *owner);
} StreamHandlers;

enum {
    STREAM_LOW_WATER = 64 * 1024,
    STREAM_HIGH_WATER = 256 * 1024,
    STREAM_HANDSHAKE_MS = 10000,
    STREAM_LINGER_MS = 2000,
};

// Takes over an accepted descriptor. `tls` may be NULL.
Stream *stream_accept(uv_loop_t *loop, int fd, TlsContext *tls, const StreamHandlers *handlers,
                      void *owner);
// Connects to an address (IP or name, whose addresses are tried in turn); `name` is what the peer's certificate must be made for, NULL
// checks only who signed it. Failures arrive in `closed`.
Stream *stream_connect(uv_loop_t *loop, const char *address, int port, TlsContext *tls,
                       const char *name, int timeout_ms, const StreamHandlers *handlers,
                       void *owner);
// A Unix socket.
Stream *stream_connect_path(uv_loop_t *loop, const char *path, const StreamHandlers *handlers,
                            void *owner);

void stream_set_owner(Stream *stream, const StreamHandlers *handlers, void *owner);
void stream_set_input_limit(Stream *stream, size_t bytes); // default 64 KiB
void stream_write(Stream *stream, const void *data, size_t length);
// Takes little more than the socket does now and returns how many bytes that were; after less than
// `length`, `drained` comes when there is room. For producers whose bytes stay where they are: they
// are not copied into the queue. Of a stream that is not open any more all is taken.
size_t stream_write_some(Stream *stream, const void *data, size_t length);
size_t stream_queued(const Stream *stream);
// `drained` will be called from the loop when there is room, even if nothing is queued now: for
// producers that could go on but let others have their turn.
void stream_ask_drained(Stream *stream);
// Stops and restarts reading.
void stream_pause(Stream *stream);
void stream_resume(Stream *stream);
// Ends the stream; with `flush` what is queued is sent first (within 10 s). A stream that is not
// open yet has nothing to flush.
void stream_close(Stream *stream, bool flush);
// To be said before a flushing close while the peer is still sending: what it sends is read and
// thrown away for up to 2 s, or a reset would overtake our last words.
void stream_linger(Stream *stream);
bool stream_is_open(const Stream *stream);
// "10.0.0.1" of the peer, "" for Unix sockets.
const char *stream_peer(const Stream *stream);
// Common name of the peer's certificate, or NULL.
char *stream_peer_name(const Stream *stream);
// Its organizational unit, or NULL. Meaningful when the peer's certificate was required.
char *stream_peer_unit(const Stream *stream);
// It has shown the very certificate that we show.
bool stream_peer_is_self(const Stream *stream);
// Notices within 90 s that the peer has vanished, also when nothing is sent. When it is open.
void stream_keep_alive(Stream *stream);
// Own address of this connection, for telling peers where they reached us.
char *stream_local_address(const Stream *stream);
uint64_t stream_bytes_read(const Stream *stream);
int64_t stream_last_read_ms(const Stream *stream); // monotonic

// A listening socket. `accepted` gets descriptors (non-blocking, close-on-exec).
typedef struct Listener Listener;
typedef void (*ListenerAccepted)(int fd, const char *peer, void *argument);
Listener *listener_new(uv_loop_t *loop, const char *address, int port, ListenerAccepted accepted,
                       void *argument, Fail *why);
Listener *listener_new_path(uv_loop_t *loop, const char *path, mode_t mode,
                            ListenerAccepted accepted, void *argument, Fail *why);
int listener_port(const Listener *listener);
void listener_close(Listener *listener); // NULL is fine
