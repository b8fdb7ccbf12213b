/* One TLS connection over a non-blocking socket. The caller waits for it with poll(2). */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <netdb.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef enum transport_state {
    TRANSPORT_CLOSED,
    TRANSPORT_CONNECTING, /* TCP */
    TRANSPORT_HANDSHAKE,  /* TLS */
    TRANSPORT_OPEN
} transport_state;

typedef struct transport {
    transport_state state;
    int fd;                             /* for poll(2), unless closed */
    short events;                       /* what to poll for */
    bool untrusted;                     /* the last attempt failed by the hub's certificate */
    SSL_CTX *settings;                  /* of every connection */
    SSL *tls;                           /* of this one */
    struct addrinfo *addresses, *trying; /* of the host, and that of them */
} transport;

/* `authorities`: a file of certificates to trust, or NULL for those of the system. `certificate`: a file with the device's
 * own certificate, its chain and its key, or NULL without one. Prints what is wrong. */
bool transport_init(transport *transport, const char *authorities, const char *certificate);
void transport_deinit(transport *transport);

/* Begins to open. False if there is no such host. */
bool transport_open(transport *transport, const char *host, const char *port);
/* Goes on with opening. False if it cannot be opened. */
bool transport_step(transport *transport);
void transport_close(transport *transport);

/* Gives how many bytes were moved, 0 if none can be now, or -1 when the link is gone. */
ssize_t transport_receive(transport *transport, uint8_t *room, size_t len);
ssize_t transport_send(transport *transport, const uint8_t *bytes, size_t len);
/* Whether bytes have been read from the socket already: poll(2) would not tell. */
bool transport_has_bytes(const transport *transport);

#endif
