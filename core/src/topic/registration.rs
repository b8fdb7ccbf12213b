//! The Device Provisioning Service: requests out, answers in. It is a service of its own, so its topics are no
//! [`Inbound`](super::Inbound) of a hub.

use super::below;
use super::query::Query;
use crate::wire::{Text, Writer, decimal, put_encoded};

/// What to subscribe to, for all answers.
pub const FILTER: &str = "$dps/registrations/res/#";

/// The topic of an answer, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Response<'i> {
    /// What became of the request, in HTTP's numbers: 200 done, 202 ask again, 429 throttled, others.
    pub status: u16,
    /// The request's `$rid`, verbatim; not empty.
    pub request_id: &'i str,
    /// Seconds to wait before asking again. `None` if it is missing or no number of 32 bits.
    pub retry_after: Option<u32>,
}

/// Reads `$dps/registrations/res/{status}/?$rid={rid}[&retry-after={seconds}]`, as leniently as
/// [`parse`](super::parse) reads a hub's topics. `None` if it is another topic.
///
/// ```
/// use iothub_proto::topic::registration::{self, Response};
/// let response = registration::parse("$dps/registrations/res/202/?$rid=1&retry-after=3");
/// assert_eq!(response, Some(Response { status: 202, request_id: "1", retry_after: Some(3) }));
/// ```
#[must_use]
pub fn parse<'i>(topic: impl Into<Text<'i>>) -> Option<Response<'i>> {
    let query = Query::parse(below(topic.into(), FILTER)?);
    let status = u16::try_from(decimal(query.level()?)?).ok()?;
    let retry_after = query.retry_after().and_then(|seconds| u32::try_from(seconds).ok());
    Some(Response { status, request_id: query.request_id()?, retry_after })
}

/// Writes the topic that asks for a registration: `$dps/registrations/PUT/iotdps-register/?$rid={rid}`.
pub fn put_register_topic(writer: &mut Writer<'_>, request_id: u32) {
    writer.put(b"$dps/registrations/PUT/iotdps-register/?$rid=");
    writer.put_decimal(request_id);
}

/// Writes the topic that asks how a registration stands:
/// `$dps/registrations/GET/iotdps-get-operationstatus/?$rid={rid}&operationId={operation id}`.
///
/// ```
/// use iothub_proto::topic::registration;
/// use iothub_proto::wire::Writer;
/// let mut room = [0; 128];
/// let mut writer = Writer::new(&mut room);
/// registration::put_poll_topic(&mut writer, 2, "4.d0a671905ea5b2c8.e7173b7b");
/// let topic = "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=4.d0a671905ea5b2c8.e7173b7b";
/// assert_eq!(writer.finish().unwrap(), topic.as_bytes());
/// ```
pub fn put_poll_topic(writer: &mut Writer<'_>, request_id: u32, operation_id: &str) {
    writer.put(b"$dps/registrations/GET/iotdps-get-operationstatus/?$rid=");
    writer.put_decimal(request_id);
    writer.put(b"&operationId=");
    // The service's own need no escapes; others could end the topic early.
    put_encoded(writer, operation_id.as_bytes());
}
