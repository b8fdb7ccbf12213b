/* MQTT's bytes on a transport: as they are, on port 8883, or in a WebSocket, on port 443. */
#ifndef TUNNEL_H
#define TUNNEL_H

#include <iothub.h>

#include "transport.h"

typedef struct tunnel {
    transport *transport;
    bool in_websocket; /* set by the application */
    iothub_websocket websocket;
    uint8_t window[4096]; /* where frames are made */
} tunnel;

/* The transport is up. `random` is 32 bytes, secret and new. False if that cannot be. */
bool tunnel_open(tunnel *tunnel, uint64_t now_ms, const char *host, bool has_certificate, const uint8_t *random);
/* As transport_receive(), of MQTT's bytes. */
ssize_t tunnel_receive(tunnel *tunnel, uint64_t now_ms, uint8_t *room, size_t len);
/* As transport_send(), of MQTT's bytes. To be called without any, too: the WebSocket has a say of its own. */
ssize_t tunnel_send(tunnel *tunnel, uint64_t now_ms, const uint8_t *mqtt, size_t len);
/* When one of them is to be called at the latest. */
uint64_t tunnel_due(const tunnel *tunnel);
/* Says good-bye, and closes the transport. */
void tunnel_close(tunnel *tunnel, uint64_t now_ms);

#endif
