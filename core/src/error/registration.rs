//! What the Device Provisioning Service has against a device.

/// Why the Device Provisioning Service did not assign the device to a hub.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RegistrationError {
    /// It refused a request, and will again: 400 bad request, 401 unauthorized, 404 unknown registration, 409 conflict.
    Refused {
        /// In HTTP's numbers.
        status: u16,
        /// The service's own number, such as 401002, whose thousands are the status; 0 if it gave none.
        code: u32,
    },
    /// It tried to assign the device and failed, for instance in a custom allocation policy.
    Failed {
        /// The service's number for the cause; 0 if it gave none.
        code: u32,
    },
    /// The enrollment is disabled.
    Disabled,
    /// It refused the subscription to its answers.
    NotSubscribed,
    /// The answer is larger than [`Settings::max_packet`](crate::Settings::max_packet).
    AnswerTooLarge {
        /// Bytes of the answer without its topic.
        len: u32,
    },
    /// The answer is no JSON, or lacks what belongs to its status, or has it longer than names can be.
    BadAnswer {
        /// In HTTP's numbers.
        status: u16,
    },
}
