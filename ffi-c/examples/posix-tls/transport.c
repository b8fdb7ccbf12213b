#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool transport_init(transport *transport, const char *authorities, const char *certificate)
{
    SSL_CTX *settings = SSL_CTX_new(TLS_client_method());
    bool good = settings != NULL && SSL_CTX_set_min_proto_version(settings, TLS1_2_VERSION) == 1;
    memset(transport, 0, sizeof *transport);
    transport->fd = -1;
    transport->settings = settings;
    if (good) {
        SSL_CTX_set_verify(settings, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_mode(settings, SSL_MODE_ENABLE_PARTIAL_WRITE);
    }
    if (good && authorities != NULL)
        good = SSL_CTX_load_verify_locations(settings, authorities, NULL) == 1;
    else if (good)
        good = SSL_CTX_set_default_verify_paths(settings) == 1;
    if (good && certificate != NULL)
        good = SSL_CTX_use_certificate_chain_file(settings, certificate) == 1 &&
               SSL_CTX_use_PrivateKey_file(settings, certificate, SSL_FILETYPE_PEM) == 1;
    if (!good)
        ERR_print_errors_fp(stderr);
    return good;
}

void transport_deinit(transport *transport)
{
    transport_close(transport);
    SSL_CTX_free(transport->settings);
}

/* Begins to connect to the address that is tried, or to one behind it. */
static bool connect_tcp(transport *transport)
{
    for (; transport->trying != NULL; transport->trying = transport->trying->ai_next) {
        const struct addrinfo *to = transport->trying;
        int fd = socket(to->ai_family, to->ai_socktype, to->ai_protocol), yes = 1;
        if (fd < 0)
            continue;
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
            (connect(fd, to->ai_addr, to->ai_addrlen) == 0 || errno == EINPROGRESS)) {
            /* A packet is written whole: to wait for more would only delay it. */
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            transport->fd = fd;
            transport->state = TRANSPORT_CONNECTING;
            transport->events = POLLOUT;
            return true;
        }
        close(fd);
    }
    return false;
}

bool transport_open(transport *transport, const char *host, const char *port)
{
    struct addrinfo hints;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    transport->untrusted = false;
    /* The only call that waits: a program that must not has a thread or a library for names. */
    if (getaddrinfo(host, port, &hints, &transport->addresses) != 0)
        return false;
    transport->trying = transport->addresses;
    transport->tls = SSL_new(transport->settings);
    /* The certificate must be valid and be this host's: without the second anybody's would do. */
    if (transport->tls != NULL && SSL_set_tlsext_host_name(transport->tls, host) == 1 &&
        SSL_set1_host(transport->tls, host) == 1) {
        SSL_set_hostflags(transport->tls, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        if (connect_tcp(transport))
            return true;
    }
    transport_close(transport);
    return false;
}

/* What a call of OpenSSL that moved nothing waits for. -1 if it will never move anything. */
static ssize_t blocked(transport *transport, int result)
{
    switch (SSL_get_error(transport->tls, result)) {
    case SSL_ERROR_WANT_READ:
        return 0;
    case SSL_ERROR_WANT_WRITE:
        transport->events |= POLLOUT;
        return 0;
    default:
        return -1;
    }
}

bool transport_step(transport *transport)
{
    if (transport->state == TRANSPORT_CONNECTING) {
        struct pollfd ready = { transport->fd, POLLOUT, 0 };
        int error = 0;
        socklen_t size = sizeof error;
        if (poll(&ready, 1, 0) == 0)
            return true;
        if (getsockopt(transport->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
            close(transport->fd);
            transport->fd = -1;
            transport->trying = transport->trying->ai_next;
            return connect_tcp(transport);
        }
        if (SSL_set_fd(transport->tls, transport->fd) != 1)
            return false;
        transport->state = TRANSPORT_HANDSHAKE;
    }
    if (transport->state == TRANSPORT_HANDSHAKE) {
        int result;
        ERR_clear_error();
        transport->events = POLLIN;
        result = SSL_connect(transport->tls);
        if (result == 1) {
            transport->state = TRANSPORT_OPEN;
        } else if (blocked(transport, result) < 0) {
            long verified = SSL_get_verify_result(transport->tls);
            transport->untrusted = verified != X509_V_OK;
            fprintf(stderr, "no TLS: %s\n",
                    transport->untrusted ? X509_verify_cert_error_string(verified) : "the handshake failed");
            return false;
        }
    }
    return true;
}

void transport_close(transport *transport)
{
    if (transport->state == TRANSPORT_OPEN) {
        ERR_clear_error();
        SSL_shutdown(transport->tls); /* tells the hub; its answer is not waited for */
    }
    SSL_free(transport->tls);
    if (transport->fd >= 0)
        close(transport->fd);
    if (transport->addresses != NULL)
        freeaddrinfo(transport->addresses);
    transport->tls = NULL;
    transport->fd = -1;
    transport->addresses = transport->trying = NULL;
    transport->state = TRANSPORT_CLOSED;
}

ssize_t transport_receive(transport *transport, uint8_t *room, size_t len)
{
    size_t count;
    int result;
    ERR_clear_error();
    transport->events = POLLIN;
    result = SSL_read_ex(transport->tls, room, len, &count);
    return result == 1 ? (ssize_t)count : blocked(transport, result);
}

ssize_t transport_send(transport *transport, const uint8_t *bytes, size_t len)
{
    size_t count;
    int result;
    ERR_clear_error();
    /* After SSL_ERROR_WANT_WRITE OpenSSL insists on the same bytes in the same place: iothub_client_poll_transmit() lends
     * just these until they are confirmed. */
    result = SSL_write_ex(transport->tls, bytes, len, &count);
    return result == 1 ? (ssize_t)count : blocked(transport, result);
}

bool transport_has_bytes(const transport *transport)
{
    return transport->state == TRANSPORT_OPEN && SSL_has_pending(transport->tls) == 1;
}
