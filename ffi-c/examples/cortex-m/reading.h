/* Readings of a thermometer, as telemetry at QoS 1. */
#ifndef READING_H
#define READING_H

#include <stddef.h>
#include <stdint.h>

#define READINGS 100
/* On their way at once: of the 8 slots some are left for answers and reports, which are not to wait. */
#define IN_FLIGHT 5

/* Sends the next one, if it is time. */
void reading_send(void);
/* Writes a number in decimal and gives its length, at most 10. */
size_t put_number(char *to, uint32_t number);

#endif
