// The image proxy: clients that can't reach a host's image server reach it through the manager.
// Requests for /images/TICKET are relayed, both ways, as they come, with bounded memory. Knows
// nothing of the manager: a callback tells where a ticket is. All on the loop's thread.
#pragma once

#include "base/stream.h"

typedef struct ImageProxy ImageProxy;

// Where the image server with that ticket is; the caller frees *ret_address. False: nowhere; then
// clients get 404 and what is under way for the ticket is cut. Asked often, must not block.
typedef bool (*ImageProxyResolve)(void *argument, const char *ticket, char **ret_address,
                                  int *ret_port);

// `server_tls` for clients; `client_tls` trusts the hosts' authority. Both stay the caller's.
ImageProxy *image_proxy_new(uv_loop_t *loop, TlsContext *server_tls, TlsContext *client_tls,
                            ImageProxyResolve resolve, void *argument);
// Serves a client that was accepted elsewhere.
void image_proxy_adopt(ImageProxy *proxy, int fd, const char *peer);
// Lets what is under way end for `grace_ms`, then cuts it, frees the proxy and calls `stopped`.
void image_proxy_stop(ImageProxy *proxy, int grace_ms, void (*stopped)(void *argument),
                      void *argument);
