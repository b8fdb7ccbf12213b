/* What this device does: it reads a thermometer, and has a lamp that blinks. main.c connects it. */
#ifndef DEVICE_H
#define DEVICE_H

#include <iothub.h>

/* Milliseconds on a clock that is never set. */
uint64_t clock_ms(void);

typedef struct device {
    iothub_client client;
    iothub_rx rx;
    uint64_t interval_ms;   /* between readings: the desired property "interval_ms" */
    uint64_t reading_at;    /* when to take the next one */
    uint64_t report_at;     /* when to report the interval; IOTHUB_NEVER if the hub knows it */
    uint64_t desired;       /* the version of the desired properties that it is from */
    uint32_t readings;
} device;

/* `name` must live as long as the device, which must not be moved. */
iothub_status device_init(device *device, const iothub_connection_string *name);
/* Deals with an event. */
void device_handle(device *device, const iothub_event *event);
/* Does what is due. */
void device_work(device *device);
/* When something is. */
uint64_t device_due(const device *device);

#endif
