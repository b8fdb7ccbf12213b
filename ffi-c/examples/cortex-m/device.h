/* What the device does when it is connected. There are two: device.c does everything, telemetry.c only sends readings. */
#ifndef DEVICE_H
#define DEVICE_H

#include <iothub.h>

/* IOTHUB_FEATURE_* bits: what the hub may send to it. */
extern const uint32_t device_features;

/* Deals with an event. */
void device_handle(const iothub_event *event);
/* Does what is due. */
void device_work(void);
/* Whether it has done all it had to. */
bool device_done(void);

/* What happened. main.c tells the test. */
typedef struct counters {
    uint32_t sent, acknowledged, messages, methods, documents, patches, reported, limit, connections, resumed, failures;
} counters;
extern counters counted;

/* Counts a failure if `status` is one. */
void device_check(iothub_status status);

#endif
