/* The driver in the header's comment, against a transport that plays the hub. */
#include "check.h"

static uint64_t clock_ms(void);
static size_t transport_send(const uint8_t *bytes, size_t len);
static ptrdiff_t transport_receive(uint8_t *room, size_t len, uint64_t until_ms);
static void apply(iothub_bytes json);

/* shown in iothub.h from here */
/* transport_send() gives how many bytes were taken, 0 when it is full; transport_receive() waits for bytes, or for room
 * to send if some are left, no longer than until the deadline, and gives their number, or -1 when the link is gone. */
static bool handle(iothub_client *client, const iothub_event *event)
{
    switch (event->kind) {
    case IOTHUB_EVENT_READY: {
        iothub_telemetry message = IOTHUB_TELEMETRY_INIT;
        message.payload = IOTHUB_BYTES_STR("{\"celsius\":21.5}");
        iothub_client_send_telemetry(client, clock_ms(), &message, NULL);
        return true;
    }
    case IOTHUB_EVENT_MESSAGE: /* event->u.message.payload, .properties */
        if (event->u.message.token != IOTHUB_TOKEN_NONE)
            iothub_client_message_accept(client, clock_ms(), event->u.message.token);
        return true;
    case IOTHUB_EVENT_METHOD_CALL: /* event->u.method_call.name, .payload */
        iothub_client_method_respond(client, clock_ms(), &event->u.method_call.request, 200, IOTHUB_BYTES_STR("{}"));
        return true;
    case IOTHUB_EVENT_TWIN_DESIRED:
        apply(event->u.twin_desired.payload);
        return true;
    case IOTHUB_EVENT_CREDENTIAL_EXPIRING: /* connect again with a new token; nothing is lost by that */
        iothub_client_disconnect(client, clock_ms());
        return true;
    case IOTHUB_EVENT_DISCONNECTED: /* event->u.disconnected.reason, .error, .last_sent */
        return false;
    default:
        return true;
    }
}

/* One connection, from sign-in to its end, on a transport that is up. */
static void run(iothub_client *client, iothub_rx *rx, const iothub_connect *options)
{
    bool up = iothub_client_connect(client, clock_ms(), options) == IOTHUB_OK;
    iothub_rx_clear(rx);
    while (up) {
        iothub_event event;
        const uint8_t *out;
        uint8_t *room;
        size_t room_len, sent;
        int32_t lent;
        ptrdiff_t received;

        if (iothub_client_poll_timeout(client) <= clock_ms())
            iothub_client_handle_timeout(client, clock_ms()); /* what is fatal ends in IOTHUB_EVENT_DISCONNECTED */
        do
            up = iothub_client_poll_event(client, clock_ms(), rx, &event) == IOTHUB_OK && handle(client, &event);
        while (up && event.kind != IOTHUB_EVENT_NONE);
        while ((lent = iothub_client_poll_transmit(client, &out)) > 0 && (sent = transport_send(out, (size_t)lent)) > 0)
            iothub_client_confirm_transmit(client, clock_ms(), sent);
        if (up && !iothub_client_has_event(client)) {
            iothub_rx_space(rx, &room, &room_len);
            received = transport_receive(room, room_len, iothub_client_poll_timeout(client));
            if (received < 0)
                iothub_client_handle_eof(client, clock_ms());
            else
                iothub_rx_commit(rx, (size_t)received);
        }
    }
}

IOTHUB_STORAGE(storage, 2048, 8);
static iothub_client client;
static iothub_rx rx;
static uint8_t rx_memory[4096];

/* Once, at the start. `token` is a SAS token: iothub_key_token() makes one. */
static iothub_status start(iothub_connect *options, iothub_str token)
{
    iothub_config config;
    iothub_config_init(&config, sizeof config);
    config.host_name = IOTHUB_STR("contoso.azure-devices.net");
    config.device_id = IOTHUB_STR("dev1");
    options->password = token;
    iothub_rx_init(&rx, sizeof rx, rx_memory, sizeof rx_memory);
    return iothub_client_init(&client, sizeof client, &config, &storage, NULL);
}
/* shown up to here */
