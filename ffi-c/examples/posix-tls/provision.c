/*
 * Asks the Device Provisioning Service which hub a device belongs to, and prints the front of its connection string:
 *
 *     export IOTHUB_KEY=...        # of the enrollment, or derived from that of a group; not with --certificate
 *     ./provision ID_SCOPE REGISTRATION_ID
 *
 * A device does this at its first start, and again when iothub_backoff_next() advises it. The same key signs for the hub.
 */
#include <iothub.h>

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "transport.h"

#define TOKEN_SECONDS 3600

static iothub_provisioning client;
static iothub_rx rx;
static uint8_t tx[2048], rx_memory[2048];
static transport to_service;
static const char *authorities, *certificate, *host = "global.azure-devices-provisioning.net", *port = "8883";

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The password: a token for the registration, or none with a certificate. */
static iothub_status make_password(const char *id_scope, const char *registration_id, char *token, size_t size,
                                   iothub_str *password)
{
    const char *text = getenv("IOTHUB_KEY");
    iothub_key key;
    iothub_resource resource = IOTHUB_RESOURCE_INIT(IOTHUB_RESOURCE_REGISTRATION);
    iothub_status status;
    password->ptr = NULL;
    password->len = 0;
    if (text == NULL)
        return IOTHUB_OK;
    status = iothub_key_init(&key, sizeof key, iothub_str_from(text), NULL);
    if (status != IOTHUB_OK)
        return status;
    resource.host = iothub_str_from(id_scope);
    resource.id = iothub_str_from(registration_id);
    password->ptr = token;
    status = iothub_key_token(&key, &resource, (uint32_t)time(NULL) + TOKEN_SECONDS, IOTHUB_STR("registration"), token, size,
                              &password->len);
    iothub_key_deinit(&key);
    return status;
}

static bool sign_in(const char *id_scope, const char *registration_id)
{
    char token[512];
    iothub_str password;
    uint32_t random = 0;
    iothub_status status = make_password(id_scope, registration_id, token, sizeof token, &password);
    RAND_bytes((unsigned char *)&random, sizeof random);
    if (status == IOTHUB_OK)
        status = iothub_provisioning_connect(&client, clock_ms(), password, random);
    OPENSSL_cleanse(token, sizeof token);
    if (status != IOTHUB_OK)
        fprintf(stderr, "cannot sign in: %s\n", iothub_status_str(status));
    return status == IOTHUB_OK;
}

/* Whether there is more to come. */
static bool handle(const iothub_event *event, bool *assigned)
{
    char names[384];
    iothub_str host_name, device_id;
    switch (event->kind) {
    case IOTHUB_EVENT_ASSIGNING:
    case IOTHUB_EVENT_THROTTLED:
        fprintf(stderr, "asking again in %lu ms\n", (unsigned long)event->u.assigning.retry_after_ms);
        return true;
    case IOTHUB_EVENT_ASSIGNED:
        *assigned =
            iothub_assigned_names(&event->u.assigned, names, sizeof names, &host_name, &device_id) == IOTHUB_OK;
        if (*assigned)
            printf("HostName=%.*s;DeviceId=%.*s\n", (int)host_name.len, host_name.ptr, (int)device_id.len, device_id.ptr);
        return true;
    case IOTHUB_EVENT_REFUSED: /* asking again would not help */
        fprintf(stderr, "%s (%lu)\n", iothub_status_str(event->u.refused.error.status), (unsigned long)event->u.refused.code);
        return true;
    case IOTHUB_EVENT_DISCONNECTED:
        if (event->u.disconnected.reason == IOTHUB_DISCONNECT_FAILED)
            fprintf(stderr, "%s\n", iothub_status_str(event->u.disconnected.error.status));
        return false;
    default:
        return true;
    }
}

/* Receives, takes events, lets time pass, sends. False at the end of the connection. */
static bool turn(bool *assigned)
{
    iothub_event event;
    const uint8_t *bytes;
    uint8_t *room;
    size_t len;
    int32_t lent;
    ssize_t count;
    iothub_rx_space(&rx, &room, &len);
    count = transport_receive(&to_service, room, len);
    if (count < 0)
        iothub_provisioning_handle_eof(&client, clock_ms());
    else
        iothub_rx_commit(&rx, (size_t)count);
    while (iothub_provisioning_poll_event(&client, clock_ms(), &rx, &event) == IOTHUB_OK && event.kind != IOTHUB_EVENT_NONE)
        if (!handle(&event, assigned))
            return false;
    iothub_provisioning_handle_timeout(&client, clock_ms());
    while ((lent = iothub_provisioning_poll_transmit(&client, &bytes)) > 0 &&
           (count = transport_send(&to_service, bytes, (size_t)lent)) > 0)
        iothub_provisioning_confirm_transmit(&client, clock_ms(), (size_t)count);
    return true;
}

static void wait_until(uint64_t until)
{
    struct pollfd ready = { to_service.fd, to_service.events, 0 };
    uint64_t now = clock_ms();
    poll(&ready, 1, until <= now ? 0 : until - now < INT_MAX ? (int)(until - now) : INT_MAX);
}

static bool open_transport(void)
{
    uint64_t until = clock_ms() + 30000;
    if (!transport_init(&to_service, authorities, certificate) || !transport_open(&to_service, host, port))
        return false;
    while (transport_step(&to_service) && clock_ms() < until) {
        if (to_service.state == TRANSPORT_OPEN)
            return true;
        wait_until(until);
    }
    return false;
}

static bool provision(const char *id_scope, const char *registration_id)
{
    iothub_provisioning_config config;
    iothub_error error;
    bool assigned = false;
    iothub_provisioning_config_init(&config, sizeof config);
    config.id_scope = iothub_str_from(id_scope);
    config.registration_id = iothub_str_from(registration_id);
    iothub_rx_init(&rx, sizeof rx, rx_memory, sizeof rx_memory);
    if (iothub_provisioning_init(&client, sizeof client, &config, tx, sizeof tx, &error) != IOTHUB_OK) {
        fprintf(stderr, "%s\n", iothub_status_str(error.status));
        return false;
    }
    if (open_transport() && sign_in(id_scope, registration_id)) {
        while (turn(&assigned)) {
            bool again = iothub_provisioning_has_event(&client) == 1 || transport_has_bytes(&to_service);
            wait_until(again ? 0 : iothub_provisioning_poll_timeout(&client));
        }
    }
    transport_deinit(&to_service);
    iothub_provisioning_deinit(&client);
    return assigned;
}

int main(int argc, char **argv)
{
    int at;
    for (at = 3; at + 1 < argc; at += 2) {
        if (strcmp(argv[at], "--ca") == 0)
            authorities = argv[at + 1];
        else if (strcmp(argv[at], "--certificate") == 0)
            certificate = argv[at + 1];
        else if (strcmp(argv[at], "--host") == 0)
            host = argv[at + 1];
        else if (strcmp(argv[at], "--port") == 0)
            port = argv[at + 1];
        else
            break;
    }
    if (argc < 3 || at != argc) {
        fprintf(stderr, "usage: IOTHUB_KEY=... provision ID_SCOPE REGISTRATION_ID [--ca FILE] [--certificate FILE]\n"
                        "                                [--host NAME] [--port N]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    return provision(argv[1], argv[2]) ? EXIT_SUCCESS : EXIT_FAILURE;
}
