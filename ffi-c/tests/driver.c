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

        do
            up = iothub_client_poll_event(client, clock_ms(), rx, &event) == IOTHUB_OK && handle(client, &event);
        while (up && event.kind != IOTHUB_EVENT_NONE);
        if (iothub_client_poll_timeout(client) <= clock_ms()) /* behind the bytes that came in time */
            iothub_client_handle_timeout(client, clock_ms()); /* what is fatal ends in IOTHUB_EVENT_DISCONNECTED */
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

/* The hub's end of the wire. It takes and gives a few bytes at a time, so that packets come and go in pieces. */
#include "packets.h"

static packets from_device, from_hub;
static size_t given;
static uint64_t time_ms = 1000;
static unsigned stored, acknowledged, answered, applied;
static bool patched, closing;

static uint64_t clock_ms(void)
{
    return time_ms;
}

static void apply(iothub_bytes json)
{
    CHECK_STR(json, "{\"limit\":7,\"$version\":2}");
    applied++;
}

static void answer(const uint8_t *body, size_t len, uint8_t first)
{
    char topic[128];
    size_t topic_len;
    switch (first & 0xf0) {
    case 0x10:
        CHECK(len > 10 && memcmp(body, "\0\4MQTT\4", 7) == 0);
        packets_put(&from_hub, "\x20\x02\x00\x00", 4);
        break;
    case 0x80:
        packets_put(&from_hub, "\x90\x06", 2);
        packets_put(&from_hub, body, 2);
        packets_put(&from_hub, "\x01\x00\x00\x00", 4);
        break;
    case 0x40:
        CHECK_MEM(body, len, "\x00\x07", 2);
        acknowledged++;
        break;
    case 0xc0:
        packets_put(&from_hub, "\xd0\x00", 2);
        break;
    case 0xe0:
        closing = true;
        break;
    case 0x30:
        topic_len = (size_t)body[0] << 8 | body[1];
        CHECK(topic_len < sizeof topic);
        memcpy(topic, body + 2, topic_len);
        topic[topic_len] = '\0';
        if (strncmp(topic, "$iothub/twin/GET/?$rid=", 23) == 0) {
            char reply[128] = "$iothub/twin/res/200/?$rid=";
            strcat(reply, topic + 23);
            packets_publish(&from_hub, 0x30, reply, 0, "{\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}");
        } else if (strcmp(topic, "$iothub/methods/res/200/?$rid=9") == 0) {
            answered++;
        } else {
            CHECK_EQ(strcmp(topic, "devices/dev1/messages/events/"), 0);
            CHECK_EQ(first, 0x32);
            stored++;
            packets_put(&from_hub, "\x40\x02", 2);
            packets_put(&from_hub, body + 2 + topic_len, 2);
            packets_publish(&from_hub, 0x32, "devices/dev1/messages/devicebound/a=1", 7, "on");
            packets_publish(&from_hub, 0x30, "$iothub/methods/POST/reboot/?$rid=9", 0, "{}");
        }
        break;
    default:
        CHECK(false);
    }
    if (stored == 1 && acknowledged == 1 && answered == 1 && !patched) {
        patched = true;
        packets_publish(&from_hub, 0x30, "$iothub/twin/PATCH/properties/desired/?$version=2", 0,
                        "{\"limit\":7,\"$version\":2}");
    }
}

static size_t transport_send(const uint8_t *bytes, size_t len)
{
    size_t taken = len < 7 ? len : 7, used = 0;
    packets_put(&from_device, bytes, taken);
    for (;;) {
        size_t at = used + 1, remaining = 0, shift = 0;
        while (at < from_device.len && from_device.bytes[at] >= 0x80)
            remaining |= (size_t)(from_device.bytes[at++] & 0x7f) << (shift++ * 7);
        if (at >= from_device.len)
            break;
        remaining |= (size_t)from_device.bytes[at++] << (shift * 7);
        if (from_device.len - at < remaining)
            break;
        answer(from_device.bytes + at, remaining, from_device.bytes[used]);
        used = at + remaining;
    }
    memmove(from_device.bytes, from_device.bytes + used, from_device.len - used);
    from_device.len -= used;
    return taken;
}

static ptrdiff_t transport_receive(uint8_t *room, size_t len, uint64_t until_ms)
{
    size_t taken = from_hub.len - given;
    if (taken == 0) {
        if (closing)
            return -1;
        CHECK(until_ms != IOTHUB_NEVER);
        time_ms = until_ms; /* nothing comes: the time passes */
        return 0;
    }
    taken = taken < 5 ? taken : 5;
    taken = taken < len ? taken : len;
    memcpy(room, from_hub.bytes + given, taken);
    given += taken;
    time_ms++;
    return (ptrdiff_t)taken;
}

int main(void)
{
    iothub_connect options = IOTHUB_CONNECT_INIT;
    CHECK_EQ(start(&options, IOTHUB_STR("SharedAccessSignature sr=x&sig=y&se=1")), IOTHUB_OK);
    options.lifetime_ms = 3600000;
    run(&client, &rx, &options);
    /* It ended as the credential did, after all of the story. */
    CHECK(stored == 1 && acknowledged == 1 && answered == 1 && applied == 1 && closing);
    CHECK(time_ms > 3600000 / 4 * 3 && time_ms < 3600000);
    CHECK_EQ(iothub_client_state(&client), IOTHUB_STATE_OFFLINE);
    CHECK_EQ(iothub_client_deinit(&client), IOTHUB_OK);
    return 0;
}
