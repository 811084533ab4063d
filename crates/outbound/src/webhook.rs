//! Webhooks: a program is called with a message as JSON, signed, over HTTPS. How often it is tried is the queue's matter.

mod json;
mod signature;

pub use json::{Call, body};
pub use signature::{HEADER as SIGNATURE_HEADER, signature};

use crate::http::{Answered, Ask, HttpError, Https};
use crate::letter::{Letter, Recipient};
use crate::limits::{
    REDIRECTS_MAX, WEBHOOK_ANSWER_BYTES_MAX, WEBHOOK_BIG_BYTES_MIN, WEBHOOK_BIG_CALLS_MAX, WEBHOOK_MESSAGE_BYTES_MAX,
};
use crate::outcome::{Outcome, Status};
use crate::text::Source;
use bytes::Bytes;
use daemon::clock::Clock;
use daemon::limits::Limit;
use directory::client::{DirectoryClient, Webhook};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use std::sync::Arc;

/// What stands before a webhook's id in the queue's name of its destination.
pub const DESTINATION_PREFIX: &str = "webhook:";
/// The field with an id of the call that is the same in every try, so that what came twice is seen.
pub const DELIVERY_HEADER: &str = "x-brevdue-delivery";

/// Calls webhooks.
pub struct Caller {
    directory: DirectoryClient,
    https: Https,
    clock: Arc<dyn Clock>,
    /// Big messages at once.
    big: Limit,
}

/// One message for one webhook.
pub struct Errand<'a> {
    /// The message.
    pub letter: &'a Letter,
    /// The webhook, by its id.
    pub recipient: &'a Recipient,
    /// The message's text.
    pub text: &'a dyn Source,
    /// The same in every try.
    pub delivery: &'a str,
}

impl Caller {
    /// With the webhooks of the directory.
    pub fn new(directory: DirectoryClient, https: Https, clock: Arc<dyn Clock>) -> Self {
        Self { directory, https, clock, big: Limit::new("outbound-webhook-big", WEBHOOK_BIG_CALLS_MAX) }
    }

    /// Calls once.
    pub async fn call(&self, errand: &Errand<'_>) -> Outcome {
        let webhook = match self.directory.webhook(&errand.recipient.address).await {
            Ok(Some(webhook)) => webhook,
            Ok(None) => return Outcome::failed(Status::new(5, 1, 1), "there is no such webhook any more", ""),
            Err(error) => return Outcome::deferred(Status::new(4, 3, 0), &error.to_string(), ""),
        };
        if errand.letter.size > WEBHOOK_MESSAGE_BYTES_MAX {
            return Outcome::failed(Status::new(5, 3, 4), "the message is too large for a webhook", "");
        }
        let _big = if errand.letter.size >= WEBHOOK_BIG_BYTES_MIN { Some(self.big.take().await) } else { None };
        let body = match self.body(errand, &webhook).await {
            Ok(body) => body,
            Err(reason) => return Outcome::deferred(Status::new(4, 3, 0), &reason, ""),
        };
        let Ok(mut uri) = webhook.url.parse::<Uri>() else {
            return Outcome::failed(Status::new(5, 1, 3), "the webhook's URL is none", "");
        };
        for _ in 0..=REDIRECTS_MAX {
            let host = uri.host().unwrap_or_default().to_owned();
            let answer = match self.ask(errand, &webhook, &uri, &body).await {
                Ok(answer) => answer,
                Err(error) => return refused(&error, &host),
            };
            match redirected(&answer, &uri) {
                Some(next) => uri = next,
                None => return judged(answer.status, &host),
            }
        }
        Outcome::deferred(Status::new(4, 4, 6), "the webhook redirects without end", "")
    }

    /// The call's JSON, made on a thread of its own: parsing and encoding megabytes takes a while.
    async fn body(&self, errand: &Errand<'_>, webhook: &Webhook) -> Result<Bytes, String> {
        let mut message = Vec::with_capacity(errand.letter.size as usize);
        let mut pieces = errand.text.open().await?;
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            if (message.len() + piece.len()) as u64 > WEBHOOK_MESSAGE_BYTES_MAX {
                return Err("the message is longer than it should be".to_owned());
            }
            message.extend_from_slice(&piece);
        }
        let call = Call {
            delivery: errand.delivery.to_owned(),
            webhook: webhook.id.clone(),
            sender: errand.letter.reverse_path.clone(),
            recipient: errand.recipient.original.split_once(';').map(|(_, address)| address.to_owned()),
            arrived: errand.letter.arrived,
            parsed: webhook.include_parsed,
            raw: webhook.include_raw,
        };
        let made = tokio::task::spawn_blocking(move || body(&call, &message)).await;
        made.map(Bytes::from).map_err(|_| "the call's body could not be made".to_owned())
    }

    async fn ask(
        &self,
        errand: &Errand<'_>,
        webhook: &Webhook,
        uri: &Uri,
        body: &Bytes,
    ) -> Result<Answered, HttpError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let signed = signature(webhook.secret.expose(), self.clock.now().as_second(), body);
        for (name, value) in [(SIGNATURE_HEADER, signed.as_str()), (DELIVERY_HEADER, errand.delivery)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        let (method, uri, body) = (Method::POST, uri.clone(), body.clone());
        self.https.ask(&Ask { method, uri, headers, body, answer_bytes_max: WEBHOOK_ANSWER_BYTES_MAX }).await
    }
}

/// Where the same call is to go instead (RFC 9110 §15.4.8, §15.4.9); other redirects would make a GET of it. The new host
/// is looked up and checked as the first one was.
fn redirected(answer: &Answered, from: &Uri) -> Option<Uri> {
    if !matches!(answer.status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
        return None;
    }
    let to: Uri = answer.headers.get(header::LOCATION)?.to_str().ok()?.parse().ok()?;
    if to.scheme().is_some() && to.host().is_some() {
        return Some(to);
    }
    let path = to.path_and_query().filter(|path| path.as_str().starts_with('/'))?;
    Uri::builder()
        .scheme(from.scheme()?.clone())
        .authority(from.authority()?.clone())
        .path_and_query(path.clone())
        .build()
        .ok()
}

/// What a status means: done, gone for good, or not now.
fn judged(status: StatusCode, host: &str) -> Outcome {
    let text = format!("the webhook answered {}", status.as_u16());
    match status {
        status if status.is_success() => Outcome::done(&text, host),
        StatusCode::GONE => Outcome::failed(Status::new(5, 1, 1), &text, host),
        StatusCode::PAYLOAD_TOO_LARGE => Outcome::failed(Status::new(5, 3, 4), &text, host),
        // Whoever runs it may repair it, and messages are lost otherwise.
        _ => Outcome::deferred(Status::new(4, 3, 0), &text, host),
    }
}

fn refused(error: &HttpError, host: &str) -> Outcome {
    let status = match error {
        HttpError::Url | HttpError::Forbidden => Status::new(4, 7, 1),
        HttpError::Name(_) => Status::new(4, 4, 3),
        HttpError::Io(_) | HttpError::Slow => Status::new(4, 4, 1),
        HttpError::Http(_) | HttpError::TooLong => Status::new(4, 5, 0),
    };
    // Forbidden too: names change, and it may have been meant otherwise.
    Outcome::deferred(status, &format!("the webhook could not be called: {error}"), host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Verdict;

    #[test]
    fn statuses() {
        let verdict = |code: u16| judged(StatusCode::from_u16(code).unwrap(), "x").verdict;
        assert_eq!(verdict(204), Verdict::Delivered { notifies: false });
        assert_eq!((verdict(410), verdict(413)), (Verdict::Failed, Verdict::Failed));
        for code in [301, 302, 400, 401, 404, 429, 500, 503] {
            assert_eq!(verdict(code), Verdict::Deferred, "{code}");
        }
    }

    #[test]
    fn redirects_keep_the_call() {
        let to = |code: u16, location: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, HeaderValue::from_str(location).unwrap());
            let answer = Answered { status: StatusCode::from_u16(code).unwrap(), headers, body: Bytes::new() };
            redirected(&answer, &Uri::from_static("https://a.test/x")).map(|uri| uri.to_string())
        };
        assert_eq!(to(307, "https://b.test/y?z").as_deref(), Some("https://b.test/y?z"));
        assert_eq!(to(308, "/y").as_deref(), Some("https://a.test/y"));
        assert_eq!(to(302, "https://b.test/"), None);
        assert_eq!(to(307, "y"), None);
    }
}
