/* The C of README.md and MOVING.md: that it compiles, that its device signs in, and that its formulas are right. */
#include "packets.h"
#include "readme_snippets.h"

static packets from_hub, to_hub;
static size_t given;

size_t link_read(uint8_t *to, size_t len)
{
    size_t count = from_hub.len - given < len ? from_hub.len - given : len;
    memcpy(to, from_hub.bytes + given, count);
    given += count;
    return count;
}

size_t link_write(const uint8_t *from, size_t len)
{
    packets_put(&to_hub, from, len);
    return len;
}

static void runs(void)
{
    iothub_str host = IOTHUB_STR("contoso.azure-devices.net"), id = IOTHUB_STR("dev1");
    CHECK_EQ(device_start(host, id, IOTHUB_STR("AAECAwQFBgcICQoLDA0ODw==")), IOTHUB_OK);
    CHECK_EQ(device_sign_in(host, id, 1000, 1767225600, 0), IOTHUB_OK);
    device_turn(1000);
    CHECK_EQ(to_hub.bytes[0], 0x10);
    packets_put(&from_hub, "\x20\x02\x00\x00", 4);
    device_turn(1001);
    packets_put(&from_hub, "\x90\x06\xff\xff\x01\x00\x00\x00", 8);
    to_hub.len = 0;
    device_turn(1002);
    CHECK(to_hub.len > 0);
    CHECK_EQ(iothub_client_state(&client), IOTHUB_STATE_READY);
    to_hub.len = 0;
    CHECK_EQ(send_reading("4711", IOTHUB_BYTES_STR("{}"), 1003), IOTHUB_OK);
    device_turn(1003);
    CHECK_EQ(to_hub.bytes[0], 0x32);
}

static char text[1024];

/* The formulas, against a client whose names have these lengths. */
static void sizes(size_t h, size_t d, size_t p, size_t properties, size_t payload)
{
    static uint8_t tx[16384], body[4096];
    static iothub_slot slots[8];
    static iothub_inbound inbound[1];
    const size_t messages = 3;
    iothub_storage parts = { (uint32_t)sizeof parts, tx, 1, slots, 8, inbound, 1 };
    iothub_telemetry telemetry_ = IOTHUB_TELEMETRY_INIT;
    iothub_property property;
    iothub_config config;
    iothub_client made;
    iothub_error error;
    size_t count;

    CHECK_EQ(iothub_config_init(&config, sizeof config), IOTHUB_OK);
    config.host_name.ptr = config.device_id.ptr = config.product.ptr = text;
    config.host_name.len = h;
    config.device_id.len = d;
    config.product.len = p;
    if (p == 0)
        config.product.ptr = NULL;
    CHECK_EQ(iothub_client_init(&made, sizeof made, &config, &parts, &error), IOTHUB_ERR_TOO_LARGE);
    CHECK_EQ(error.needed, handshake(h, d, p == 0 ? 20 : p));

    parts.tx_len = handshake(h, d, p == 0 ? 20 : p) + messages * telemetry(d, properties, payload);
    CHECK(parts.tx_len <= sizeof tx);
    CHECK_EQ(iothub_client_init(&made, sizeof made, &config, &parts, NULL), IOTHUB_OK);
    property.name.ptr = property.value.ptr = text;
    property.name.len = 1;
    property.value.len = properties - 2;
    telemetry_.properties = &property;
    telemetry_.properties_len = 1;
    telemetry_.payload = IOTHUB_BYTES(body, payload);
    for (count = 0; count < messages; count++)
        CHECK_EQ(iothub_client_send_telemetry(&made, 1, &telemetry_, NULL), IOTHUB_OK);
    CHECK_EQ(iothub_client_send_telemetry(&made, 1, &telemetry_, NULL), IOTHUB_ERR_TX_FULL);
    CHECK_EQ(iothub_client_last_error(&made, &error), IOTHUB_OK);
    CHECK_EQ(error.needed, telemetry(d, properties, payload));
    CHECK_EQ(iothub_client_deinit(&made), IOTHUB_OK);
}

#define TO "%24.to=%2Fdevices%2Fdev1%2Fmessages%2FdeviceBound"

static void messages(void)
{
    static packets built;
    packets_publish(&built, 0x32, "devices/dev1/messages/devicebound/" TO, 7, "on");
    CHECK_EQ(sizeof TO - 1, 45 + 4);
    CHECK_EQ(built.len, message(4, 45 + 4, 2));
}

int main(void)
{
    size_t h, d, p;
    memset(text, 'a', sizeof text);
    runs();
    for (h = 1; h <= 253; h += 63)
        for (d = 1; d <= 128; d += 127)
            for (p = 0; p <= 100; p += 50)
                sizes(h, d, p, 2 + h, h < 64 ? 10 : 1000);
    messages();
#ifdef IOTHUB_POINTER_64
    CHECK(sizeof(iothub_client) == 768 && sizeof(iothub_rx) == 48);
#else
    CHECK(sizeof(iothub_client) == 640 && sizeof(iothub_rx) == 24);
#endif
    CHECK(sizeof(iothub_key) == 72 && sizeof(iothub_backoff) == 68);
    CHECK(sizeof(iothub_slot) == 40 && sizeof(iothub_inbound) == 4);
    return 0;
}
