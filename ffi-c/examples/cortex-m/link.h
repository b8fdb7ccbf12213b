/* The driver: carries bytes and time between the library and the modem, and connects again when the link breaks. */
#ifndef LINK_H
#define LINK_H

#include <iothub.h>

#define HOST "localhost"
#define DEVICE "dev1"

extern iothub_client client;

/* Makes the client, offline. */
iothub_status link_start(void);
/* One turn of the main loop. It waits for nothing. */
void link_turn(void);
/* A polite end. */
void link_stop(void);
/* Whether there is a connection. */
bool link_is_up(void);

#endif
