/* Packets of a hub, put together by hand, and those that a client sends. */
#ifndef PACKETS_H
#define PACKETS_H

#include "check.h"

typedef struct packets {
    uint8_t bytes[16384];
    size_t len;
} packets;

static inline void packets_put(packets *to, const void *bytes, size_t len)
{
    CHECK(to->len + len <= sizeof to->bytes);
    if (len > 0)
        memcpy(to->bytes + to->len, bytes, len);
    to->len += len;
}

/* The first byte and Remaining Length (MQTT 3.1.1, section 2.2.3). */
static inline void packets_header(packets *to, uint8_t first, size_t remaining)
{
    packets_put(to, &first, 1);
    do {
        uint8_t byte = (uint8_t)(remaining % 128);
        remaining /= 128;
        if (remaining > 0)
            byte = (uint8_t)(byte | 0x80);
        packets_put(to, &byte, 1);
    } while (remaining > 0);
}

static inline void packets_u16(packets *to, size_t value)
{
    uint8_t bytes[2];
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
    packets_put(to, bytes, 2);
}

/* A PUBLISH; `first` is 0x30 with the flags, `id` counts at QoS 1 only. */
static inline void packets_publish_n(packets *to, uint8_t first, const char *topic, size_t topic_len, unsigned id,
                                     const void *payload, size_t payload_len)
{
    size_t id_len = (first & 0x06) != 0 ? 2 : 0;
    packets_header(to, first, 2 + topic_len + id_len + payload_len);
    packets_u16(to, topic_len);
    packets_put(to, topic, topic_len);
    if (id_len > 0)
        packets_u16(to, id);
    packets_put(to, payload, payload_len);
}

static inline void packets_publish(packets *to, uint8_t first, const char *topic, unsigned id, const char *payload)
{
    packets_publish_n(to, first, topic, strlen(topic), id, payload, strlen(payload));
}

/* Everything there is to send, taken and confirmed. */
static inline void packets_collect(packets *sent, iothub_client *client, uint64_t now)
{
    const uint8_t *out;
    int32_t lent;
    sent->len = 0;
    while ((lent = iothub_client_poll_transmit(client, &out)) > 0) {
        packets_put(sent, out, (size_t)lent);
        CHECK_EQ(iothub_client_confirm_transmit(client, now, (size_t)lent), IOTHUB_OK);
    }
    CHECK_EQ(lent, 0);
    CHECK(out == NULL);
}

#endif
