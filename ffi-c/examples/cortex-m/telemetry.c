/* Sends 100 readings at QoS 1, and nothing else. */
#include "device.h"
#include "reading.h"

const uint32_t device_features = 0;
const uint8_t device_streams = 0;

void device_handle(const iothub_event *event)
{
    if (event->kind == IOTHUB_EVENT_TELEMETRY_ACKED)
        ++counted.acknowledged;
}

void device_work(void)
{
    reading_send();
}

bool device_done(void)
{
    return counted.acknowledged >= READINGS;
}
