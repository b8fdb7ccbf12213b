/*
 * A complete device over POSIX sockets and OpenSSL, in one thread that waits in poll(2) only.
 *
 *     export IOTHUB_CONNECTION_STRING='HostName=...;DeviceId=...;SharedAccessKey=...'
 *     ./posix-tls
 *
 * This file is the driver: it opens and ends connections, and carries bytes and time. transport.c is the TLS connection,
 * tunnel.c the WebSocket on it, if one is asked for, device.c what the device does. SIGINT and SIGTERM end it politely.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/rand.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "tunnel.h"

/* For one attempt to open a connection. */
#define OPEN_MS 30000
/* After so many connections that ended over one and the same message, it is given up. */
#define CUTS_MAX 5

static device this_device;
static transport to_hub;
static tunnel mqtt = { .transport = &to_hub };
static iothub_connection_string name;
static iothub_key key;
static iothub_backoff backoff;
static char connect_host[254];

static const char *authorities, *certificate, *port;
static uint32_t token_seconds = 3600;

static bool stopping, stopped;
/* When to open the next connection, and when to give up opening one. */
static uint64_t open_at, open_until;

/* A signal becomes a byte in a pipe, so that poll(2) wakes. */
static int signals[2];

static void on_signal(int number)
{
    int kept = errno;
    char byte = (char)number;
    if (write(signals[1], &byte, 1) < 0) {
        /* The pipe is full: it wakes all the same. */
    }
    errno = kept;
}

uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A fleet that was cut off together must not come back together. */
static uint32_t random_number(void)
{
    uint32_t number = 0;
    RAND_bytes((unsigned char *)&number, sizeof number);
    return number;
}

/* The password of the next connection, into `token`: made of the key, ready-made, or none with a certificate. */
static iothub_status make_password(char *token, size_t size, iothub_connect *options)
{
    bool module = name.module_id.ptr != NULL;
    iothub_resource resource = IOTHUB_RESOURCE_INIT(module ? IOTHUB_RESOURCE_MODULE : IOTHUB_RESOURCE_DEVICE);
    if (name.credential == IOTHUB_CREDENTIAL_TOKEN)
        options->password = name.token;
    if (name.credential != IOTHUB_CREDENTIAL_KEY)
        return IOTHUB_OK;
    resource.host = name.host_name;
    resource.id = name.device_id;
    resource.module_id = name.module_id;
    options->password.ptr = token;
    /* IOTHUB_EVENT_CREDENTIAL_EXPIRING comes some time before the end of this. */
    options->lifetime_ms = token_seconds * 1000;
    return iothub_key_token(&key, &resource, (uint32_t)time(NULL) + token_seconds, name.key_name, token, size,
                            &options->password.len);
}

/* The transport is up: MQTT begins. */
static void sign_in(void)
{
    uint8_t random[32];
    char token[1024];
    iothub_connect options = IOTHUB_CONNECT_INIT;
    iothub_status status = make_password(token, sizeof token, &options);
    options.random = random_number();
    iothub_rx_clear(&this_device.rx);
    if (RAND_bytes(random, sizeof random) != 1 ||
        !tunnel_open(&mqtt, clock_ms(), connect_host, name.credential == IOTHUB_CREDENTIAL_X509, random))
        status = IOTHUB_ERR_USAGE;
    if (status == IOTHUB_OK)
        status = iothub_client_connect(&this_device.client, clock_ms(), &options);
    OPENSSL_cleanse(token, sizeof token);
    if (status != IOTHUB_OK) {
        fprintf(stderr, "cannot sign in: %s\n", iothub_status_str(status));
        exit(EXIT_FAILURE);
    }
}

/* There is no connection: when will be the next? */
static void retry(uint32_t cause, uint32_t ready_for_ms)
{
    iothub_retry next;
    tunnel_close(&mqtt, clock_ms());
    iothub_backoff_next(&backoff, cause, ready_for_ms, random_number(), &next);
    open_at = clock_ms() + next.after_ms;
    stopped = stopping;
    if (!stopping)
        printf("connecting again in %lu ms\n", (unsigned long)next.after_ms);
}

static void ended(const iothub_event_disconnected *end)
{
    if (end->reason == IOTHUB_DISCONNECT_REQUESTED) { /* by a signal, or to sign in with a new token */
        tunnel_close(&mqtt, clock_ms());
        open_at = clock_ms();
        stopped = stopping;
        return;
    }
    fprintf(stderr, "disconnected: %s\n",
            end->reason == IOTHUB_DISCONNECT_FAILED ? iothub_status_str(end->error.status) : "the hub or the network");
    /* The hub does not refuse a message, it ends the connection: this one again and again. */
    if (end->suspect != IOTHUB_TOKEN_NONE && end->cuts >= CUTS_MAX)
        iothub_client_telemetry_withdraw(&this_device.client, clock_ms(), end->suspect, NULL);
    retry(iothub_retry_cause(end->error.status), end->ready_for_ms);
}

/* Opens a connection when it is time. Nothing of MQTT happens before it is up. */
static void mind_the_transport(void)
{
    bool good = true;
    if (to_hub.state == TRANSPORT_CLOSED && clock_ms() >= open_at) {
        good = transport_open(&to_hub, connect_host, port);
        open_until = clock_ms() + OPEN_MS;
    } else if (to_hub.state == TRANSPORT_CONNECTING || to_hub.state == TRANSPORT_HANDSHAKE) {
        good = transport_step(&to_hub) && clock_ms() < open_until;
        if (good && to_hub.state == TRANSPORT_OPEN)
            sign_in();
    }
    if (!good)
        retry(to_hub.untrusted ? IOTHUB_RETRY_UNAUTHORIZED : IOTHUB_RETRY_LOST, 0);
}

/* What has come in: some bytes, once, so that sending has its turn. */
static void receive(void)
{
    uint8_t *room;
    size_t len;
    ssize_t count;
    if (to_hub.state != TRANSPORT_OPEN)
        return;
    iothub_rx_space(&this_device.rx, &room, &len);
    count = tunnel_receive(&mqtt, clock_ms(), room, len);
    if (count < 0)
        iothub_client_handle_eof(&this_device.client, clock_ms());
    else
        iothub_rx_commit(&this_device.rx, (size_t)count);
}

/* Events until there is none. Some come without a connection, such as a twin request that took too long. */
static void take_events(void)
{
    iothub_event event;
    while (iothub_client_poll_event(&this_device.client, clock_ms(), &this_device.rx, &event) == IOTHUB_OK &&
           event.kind != IOTHUB_EVENT_NONE) {
        if (event.kind == IOTHUB_EVENT_DISCONNECTED)
            ended(&event.u.disconnected);
        else if (event.kind == IOTHUB_EVENT_CREDENTIAL_EXPIRING)
            /* What is in flight settles; then ended() opens a connection with a new token. Nothing is lost. */
            iothub_client_disconnect(&this_device.client, clock_ms());
        else
            device_handle(&this_device, &event);
    }
}

static void send_all(void)
{
    const uint8_t *bytes;
    int32_t lent;
    while (to_hub.state == TRANSPORT_OPEN) {
        ssize_t sent;
        lent = iothub_client_poll_transmit(&this_device.client, &bytes);
        sent = tunnel_send(&mqtt, clock_ms(), bytes, lent > 0 ? (size_t)lent : 0);
        if (sent > 0)
            iothub_client_confirm_transmit(&this_device.client, clock_ms(), (size_t)sent);
        else if (sent < 0)
            iothub_client_handle_eof(&this_device.client, clock_ms());
        if (sent <= 0)
            break;
    }
}

/* Until bytes come, there is room for bytes, a signal came, or it is time for something. */
static void wait_for_something(void)
{
    struct pollfd ready[2] = { { signals[0], POLLIN, 0 }, { -1, 0, 0 } };
    uint64_t until = iothub_client_poll_timeout(&this_device.client), due = device_due(&this_device), now = clock_ms();
    uint64_t opening = to_hub.state == TRANSPORT_CLOSED ? open_at : open_until;
    uint64_t of_tunnel = tunnel_due(&mqtt);
    char byte;
    until = due < until ? due : until;
    until = of_tunnel < until ? of_tunnel : until;
    if (to_hub.state != TRANSPORT_OPEN && opening < until)
        until = opening;
    if (iothub_client_has_event(&this_device.client) == 1 || transport_has_bytes(&to_hub))
        until = now;
    ready[1].fd = to_hub.fd;
    ready[1].events = to_hub.events;
    poll(ready, 2, until <= now ? 0 : until - now < INT_MAX ? (int)(until - now) : INT_MAX);
    if (ready[0].revents != 0 && read(signals[0], &byte, 1) == 1) {
        stopping = true;
        stopped = to_hub.state != TRANSPORT_OPEN;
        if (!stopped) /* what is in flight settles, unless this is the second signal */
            iothub_client_disconnect(&this_device.client, clock_ms());
    }
}

/* Input, then time, then what the device has to say, then output. */
static void turn(void)
{
    mind_the_transport();
    receive();
    take_events();
    iothub_client_handle_timeout(&this_device.client, clock_ms()); /* what is fatal is an event of the next turn */
    device_work(&this_device);
    send_all();
    wait_for_something();
}

static void usage(const char *wrong)
{
    fprintf(stderr,
            "%s\n"
            "usage: IOTHUB_CONNECTION_STRING=... posix-tls [--ca FILE] [--certificate FILE] [--port N]\n"
            "                                              [--token-seconds N] [--websocket]\n"
            "  --ca             authorities to trust, in PEM, instead of the system's\n"
            "  --certificate    the device's certificate, chain and key, in PEM, for a string with x509=true\n"
            "  --port           instead of 8883, or of 443\n"
            "  --token-seconds  how long a token is valid, instead of 3600\n"
            "  --websocket      MQTT over WebSocket, for networks that let nothing else out\n",
            wrong);
    exit(2);
}

static void read_options(int argc, char **argv)
{
    iothub_error error;
    int at;
    /* Not an argument: those can be read by every user of the machine. */
    const char *string = getenv("IOTHUB_CONNECTION_STRING");
    if (string == NULL)
        usage("IOTHUB_CONNECTION_STRING is not set");
    if (iothub_connection_string_parse(iothub_str_from(string), &name, &error) != IOTHUB_OK)
        usage(iothub_status_str(error.status));
    for (at = 1; at < argc; ++at) {
        if (strcmp(argv[at], "--websocket") == 0)
            mqtt.in_websocket = true;
        else if (at + 1 == argc)
            break;
        else if (strcmp(argv[at], "--ca") == 0)
            authorities = argv[++at];
        else if (strcmp(argv[at], "--certificate") == 0)
            certificate = argv[++at];
        else if (strcmp(argv[at], "--port") == 0)
            port = argv[++at];
        else if (strcmp(argv[at], "--token-seconds") == 0)
            token_seconds = (uint32_t)strtoul(argv[++at], NULL, 10);
        else
            break;
    }
    if (port == NULL)
        port = mqtt.in_websocket ? "443" : "8883";
    if (at != argc || token_seconds == 0 || token_seconds > UINT32_MAX / 1000)
        usage("no such option, or no such value");
}

static iothub_status start(void)
{
    iothub_status status = IOTHUB_OK;
    if (name.connect_host.len >= sizeof connect_host)
        return IOTHUB_ERR_BAD_TEXT;
    memcpy(connect_host, name.connect_host.ptr, name.connect_host.len);
    if (name.credential == IOTHUB_CREDENTIAL_KEY)
        status = iothub_key_init(&key, sizeof key, name.key, NULL);
    if (status == IOTHUB_OK)
        status = iothub_backoff_init(&backoff, sizeof backoff, NULL);
    if (status == IOTHUB_OK)
        status = device_init(&this_device, &name);
    return status;
}

static bool watch_signals(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    if (pipe(signals) != 0 || fcntl(signals[0], F_SETFL, O_NONBLOCK) != 0 || fcntl(signals[1], F_SETFL, O_NONBLOCK) != 0 ||
        sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGTERM, &action, NULL) != 0)
        return false;
    /* Writing to a connection that is gone is an error of that call, not of the program. */
    action.sa_handler = SIG_IGN;
    return sigaction(SIGPIPE, &action, NULL) == 0;
}

int main(int argc, char **argv)
{
    iothub_status status;
    read_options(argc, argv);
    status = start();
    if (status != IOTHUB_OK) {
        fprintf(stderr, "cannot start: %s\n", iothub_status_str(status));
        return EXIT_FAILURE;
    }
    if (!transport_init(&to_hub, authorities, certificate) || !watch_signals())
        return EXIT_FAILURE;
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (!stopped)
        turn();
    transport_deinit(&to_hub);
    iothub_client_deinit(&this_device.client);
    if (name.credential == IOTHUB_CREDENTIAL_KEY)
        iothub_key_deinit(&key);
    printf("%lu readings\n", (unsigned long)this_device.readings);
    return EXIT_SUCCESS;
}
