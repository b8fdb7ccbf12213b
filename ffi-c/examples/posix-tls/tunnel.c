#include "tunnel.h"

#include <string.h>

bool tunnel_open(tunnel *tunnel, uint64_t now_ms, const char *host, bool has_certificate, const uint8_t *random)
{
    iothub_upgrade upgrade = IOTHUB_UPGRADE_INIT;
    if (!tunnel->in_websocket)
        return true;
    upgrade.host = iothub_str_from(host);
    upgrade.no_client_certificate = !has_certificate;
    memcpy(upgrade.random, random, sizeof upgrade.random);
    return iothub_websocket_init(&tunnel->websocket, sizeof tunnel->websocket, tunnel->window, sizeof tunnel->window) ==
               IOTHUB_OK &&
           iothub_websocket_connect(&tunnel->websocket, now_ms, &upgrade) == IOTHUB_OK;
}

ssize_t tunnel_receive(tunnel *tunnel, uint64_t now_ms, uint8_t *room, size_t len)
{
    ssize_t count = transport_receive(tunnel->transport, room, len);
    size_t mqtt_len = 0;
    if (!tunnel->in_websocket || count <= 0)
        return count;
    /* What is fatal here ends in IOTHUB_WEBSOCKET_CLOSED, after a last word to the server: see below. */
    iothub_websocket_handle_input(&tunnel->websocket, now_ms, room, (size_t)count, &mqtt_len);
    return (ssize_t)mqtt_len;
}

ssize_t tunnel_send(tunnel *tunnel, uint64_t now_ms, const uint8_t *mqtt, size_t len)
{
    const uint8_t *bytes;
    int32_t lent;
    if (!tunnel->in_websocket)
        return len == 0 ? 0 : transport_send(tunnel->transport, mqtt, len);
    iothub_websocket_handle_timeout(&tunnel->websocket, now_ms);
    while ((lent = iothub_websocket_poll_transmit(&tunnel->websocket, mqtt, len, &bytes)) > 0) {
        size_t taken;
        ssize_t sent = transport_send(tunnel->transport, bytes, (size_t)lent);
        if (sent <= 0)
            return sent;
        iothub_websocket_confirm_transmit(&tunnel->websocket, now_ms, (size_t)sent, &taken);
        if (taken > 0)
            return (ssize_t)taken;
    }
    return iothub_websocket_state(&tunnel->websocket) == IOTHUB_WEBSOCKET_CLOSED ? -1 : 0;
}

uint64_t tunnel_due(const tunnel *tunnel)
{
    bool open = tunnel->in_websocket && tunnel->transport->state == TRANSPORT_OPEN;
    return open ? iothub_websocket_poll_timeout(&tunnel->websocket) : IOTHUB_NEVER;
}

void tunnel_close(tunnel *tunnel, uint64_t now_ms)
{
    if (tunnel->in_websocket && tunnel->transport->state == TRANSPORT_OPEN) {
        iothub_websocket_disconnect(&tunnel->websocket, now_ms);
        tunnel_send(tunnel, now_ms, NULL, 0); /* the server's answer is not waited for */
        iothub_websocket_deinit(&tunnel->websocket);
    }
    transport_close(tunnel->transport);
}
