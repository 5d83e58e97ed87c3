//! Converts envelopes to AMQP messages and back. The body is the payload's protobuf; everything else is in the
//! properties, where other AMQP tools can see it. A CSV message from any program has the CSV as its body.

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::message::Delivery as Incoming;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use proto::{Csv, Envelope, PROTOCOL, Payload, PayloadError, VERSION};

use super::failure::short;
use crate::error::BrokerError;
use crate::message::{Death, Unreadable};

const CONTENT_TYPE: &str = "application/x-protobuf";
/// AMQP's timestamp counts seconds; this header has the milliseconds since 1970.
const MADE_MS: &str = "rowmill-made-ms";
/// [`Envelope::attempts`]; omitted if 0.
const ATTEMPTS: &str = "rowmill-attempts";

/// [`Csv::name`] and [`Csv::exec`].
const NAME: &str = "rowmill-name";
const EXEC: &str = "rowmill-exec";

/// AMQP's delivery modes.
const TRANSIENT: u8 = 1;
const PERSISTENT: u8 = 2;

pub(super) fn properties(
    envelope: &Envelope,
    persistent: bool,
) -> Result<BasicProperties, BrokerError> {
    let mut headers = FieldTable::default();
    // lapin's parser and RabbitMQ agree on signed 64-bit integers.
    headers.insert(
        MADE_MS.into(),
        AMQPValue::LongLongInt(envelope.made_unix_ms as i64),
    );
    if envelope.attempts > 0 {
        headers.insert(
            ATTEMPTS.into(),
            AMQPValue::LongLongInt(envelope.attempts.into()),
        );
    }
    let properties = match envelope.payload.as_ref() {
        Payload::Csv(csv) => csv_properties(csv, &mut headers)?,
        payload => BasicProperties::default()
            .with_content_type(CONTENT_TYPE.into())
            .with_type(payload.type_name().into())
            .with_app_id(format!("rowmill/{VERSION} protocol/{PROTOCOL}").into()),
    };
    Ok(properties
        .with_message_id(short("message id", &envelope.message_id)?)
        .with_correlation_id(short("correlation id", &envelope.correlation_id)?)
        .with_timestamp(envelope.made_unix_ms / 1000)
        .with_delivery_mode(if persistent { PERSISTENT } else { TRANSIENT })
        .with_headers(headers))
}

/// The properties of a CSV message, as a program that does not know rowmill sends it.
fn csv_properties(csv: &Csv, headers: &mut FieldTable) -> Result<BasicProperties, BrokerError> {
    for (key, value) in [(NAME, &csv.name), (EXEC, &csv.exec)] {
        if !value.is_empty() {
            headers.insert(key.into(), AMQPValue::LongString(value.as_str().into()));
        }
    }
    let mut properties = BasicProperties::default().with_content_type(Csv::CONTENT_TYPE.into());
    if !csv.content_encoding.is_empty() {
        let encoding = short("content encoding", &csv.content_encoding)?;
        properties = properties.with_content_encoding(encoding);
    }
    if !csv.sender.is_empty() {
        properties = properties.with_app_id(short("app id", &csv.sender)?);
    }
    Ok(properties)
}

/// Decodes the envelope of `incoming`, and takes the body out of it.
pub(super) fn envelope(incoming: &mut Incoming) -> Result<Envelope, Box<Unreadable>> {
    let properties = &incoming.properties;
    let message_id = text(properties.message_id().as_ref());
    let kind = text(properties.kind().as_ref());
    let correlation_id = text(properties.correlation_id().as_ref());
    let made_unix_ms = header(incoming, MADE_MS)
        .or_else(|| {
            properties
                .timestamp()
                .map(|seconds| seconds.saturating_mul(1000))
        })
        .unwrap_or(0);
    let content_type = text(properties.content_type().as_ref());
    let app_id = text(properties.app_id().as_ref());
    let attempts = count(incoming, ATTEMPTS);
    let bytes = Bytes::from(std::mem::take(&mut incoming.data));
    match payload(incoming, &kind, bytes.clone()) {
        Ok(payload) => Ok(Envelope {
            message_id,
            correlation_id,
            made_unix_ms,
            attempts,
            payload: payload.into(),
        }),
        Err(error) => Err(Box::new(Unreadable {
            error,
            message_id,
            kind,
            content_type,
            correlation_id,
            app_id,
            bytes,
        })),
    }
}

/// Decodes the payload by the message's `type`, or by its content type if it has none.
fn payload(incoming: &Incoming, kind: &str, body: Bytes) -> Result<Payload, PayloadError> {
    let properties = &incoming.properties;
    let content_type = text(properties.content_type().as_ref());
    if kind.is_empty() && !is_csv(&content_type) {
        return Err(PayloadError::Untyped(content_type));
    }
    if !kind.is_empty() {
        return Payload::decode(kind, body);
    }
    let header = |name| find(incoming, name).and_then(string).unwrap_or_default();
    // The sender is named in one of these; the broker verifies the second.
    let sender = match text(properties.app_id().as_ref()) {
        app if app.is_empty() => text(properties.user_id().as_ref()),
        app => app,
    };
    let csv = Csv {
        body,
        content_encoding: text(properties.content_encoding().as_ref()),
        name: header(NAME),
        exec: header(EXEC),
        sender,
    };
    csv.received()
}

/// Whether it is `text/csv`, in any case and with any parameters (RFC 4180).
fn is_csv(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default();
    media.trim().eq_ignore_ascii_case(Csv::CONTENT_TYPE)
}

/// A property; empty if it is missing.
fn text(property: Option<&ShortString>) -> String {
    let text = property.map(ShortString::as_str);
    text.unwrap_or_default().to_owned()
}

/// How often the message was returned, as reported by the broker. From RabbitMQ 4.3 on, `x-delivery-count` contains
/// only the returns that count towards the delivery limit, and `x-acquired-count` all of them.
pub(super) fn delivery_count(incoming: &Incoming) -> u32 {
    let acquired = if incoming.redelivered {
        count(incoming, "x-acquired-count")
    } else {
        0
    };
    count(incoming, "x-delivery-count").max(acquired)
}

/// The latest entry of `x-death`, which is the first.
pub(super) fn death(incoming: &Incoming) -> Option<Death> {
    let deaths = match find(incoming, "x-death")? {
        AMQPValue::FieldArray(deaths) => deaths.as_slice(),
        _ => return None,
    };
    let AMQPValue::FieldTable(death) = deaths.first()? else {
        return None;
    };
    let field = |name: &str| death.inner().get(name);
    let text = |name: &str| field(name).and_then(string).unwrap_or_default();
    Some(Death {
        reason: text("reason"),
        queue: text("queue"),
        count: field("count").and_then(integer).unwrap_or(1),
    })
}

/// A header with a number; 0 if it is missing.
fn count(incoming: &Incoming, name: &str) -> u32 {
    header(incoming, name).map_or(0, |count| count.try_into().unwrap_or(u32::MAX))
}

fn header(incoming: &Incoming, name: &str) -> Option<u64> {
    integer(find(incoming, name)?)
}

fn find<'a>(incoming: &'a Incoming, name: &str) -> Option<&'a AMQPValue> {
    incoming.properties.headers().as_ref()?.inner().get(name)
}

/// An integer of any width.
fn integer(value: &AMQPValue) -> Option<u64> {
    match value {
        AMQPValue::ShortShortInt(n) => (*n).try_into().ok(),
        AMQPValue::ShortShortUInt(n) => Some((*n).into()),
        AMQPValue::ShortInt(n) => (*n).try_into().ok(),
        AMQPValue::ShortUInt(n) => Some((*n).into()),
        AMQPValue::LongInt(n) => (*n).try_into().ok(),
        AMQPValue::LongUInt(n) => Some((*n).into()),
        AMQPValue::LongLongInt(n) => (*n).try_into().ok(),
        AMQPValue::Timestamp(n) => Some(*n),
        _ => None,
    }
}

fn string(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::ShortString(text) => Some(text.to_string()),
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        _ => None,
    }
}
