/*
 * What the device does when it is connected. There are three: device.c does everything but streams, telemetry.c only sends
 * readings, stream.c deals with what is larger than its buffers.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <iothub.h>

/* IOTHUB_FEATURE_* bits: what the hub may send to it. */
extern const uint32_t device_features;
/* 1: payloads larger than the receive buffer come in pieces. */
extern const uint8_t device_streams;

/* Deals with an event. */
void device_handle(const iothub_event *event);
/* Does what is due. */
void device_work(void);
/* Whether it has done all it had to. */
bool device_done(void);

/* What happened. main.c tells the test. */
typedef struct counters {
    uint32_t sent, acknowledged, messages, methods, documents, patches, reported, limit, connections, resumed, failures;
    uint32_t parts;
} counters;
extern counters counted;

/* Counts a failure if `status` is one. */
void device_check(iothub_status status);

#endif
