/*
 * iothub.h: the device side of Azure IoT Hub's MQTT dialect as a state machine.
 *
 * Bytes and time go in, bytes and events come out. The library opens no socket, reads no clock, starts no thread, takes
 * no memory. Any transport can carry it; TLS is the transport's. What a driver does, complete:
 *
@DRIVER@
 *
 * Rules:
 *
 * - Memory. Objects (iothub_client, iothub_provisioning, iothub_websocket, iothub_rx, iothub_key, iothub_backoff) stand where
 *   the caller places them, are made by their _init function, and are not copied or moved after that. What a pointer points to is the caller's, and copied or
 *   done with when the call returns, unless the function's comment says otherwise.
 * - Events. The pointers in an event point into the bytes that the caller gave. Every call is legal while they are used.
 * - Texts are UTF-8 with a length, not ended by NUL.
 * - Input structs begin with struct_size: make them with their _INIT macro or _init function.
 * - Results. 0 and above is success. Every out parameter (@param[out]) that is not NULL is written on every return, with
 *   zeros on failure. IOTHUB_ERR_ above -200 changed nothing: correct the call, or wait. Below, the connection is over
 *   (iothub_status_is_fatal()).
 * - Said once for all functions: IOTHUB_ERR_NULL for a pointer that is NULL and must not be; IOTHUB_ERR_MISALIGNED for one
 *   that is not aligned for its type; IOTHUB_ERR_NOT_INITIALIZED for an object that was not made by its _init function, has
 *   ended, or was copied or moved; IOTHUB_ERR_INTERNAL for a fault of the library, which was caught.
 * - Time is milliseconds on a monotonic clock of the caller's, in 64 bits; its zero is arbitrary. One earlier than the last
 *   counts as the last.
 * - Threads. One object, one thread at a time; different objects are independent. There is no global state.
 * - A constant or struct field is never renumbered or moved. A kind, reason or status that this header does not name may
 *   come from a later library: treat it as the unknown one of its family.
 *
 * Generated from the library's sources; see there to change it.
 * Licence: MIT or Apache 2.0, as you like.
 */
