//! `brevdue webhook …`

use super::Admin;
use crate::cli::{Payload, WebhookCommand};
use crate::failure::Failure;
use crate::output::{Output, moment, table};
use crate::terminal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use directory::client::Error;
use serde::Serialize;
use wire::directory::{AddWebhookRequest, ChangeWebhookRequest, Webhook};

/// What a secret begins with, so that it is known for what it is where it turns up.
const SECRET_PREFIX: &str = "whsec_";

/// Does what was asked.
pub async fn run(admin: &Admin, command: &WebhookCommand, output: Output) -> Result<(), Failure> {
    match command {
        WebhookCommand::Add { url, payload, account } => {
            let made = make(admin, url, *payload, account.as_deref().unwrap_or_default()).await?;
            output.answer(&made, || made.lines())
        }
        WebhookCommand::List => {
            let rows: Vec<Row> = admin.directory.list_webhooks().await?.into_iter().map(Row::from).collect();
            let cells = |row: &Row| vec![row.id.clone(), row.payload.to_owned(), row.url.clone()];
            output.answer(&rows, || table(&rows.iter().map(cells).collect::<Vec<_>>()))
        }
        WebhookCommand::Change { id, url, payload, new_secret } => {
            let (parsed, raw) = payload.map_or((false, false), Payload::parts);
            let request = ChangeWebhookRequest {
                id: id.clone(),
                url: url.clone().unwrap_or_default(),
                include_parsed: parsed,
                include_raw: raw,
                new_secret: *new_secret,
            };
            let changed = admin.directory.change_webhook(request).await.map_err(|error| why_not(id, error))?;
            match new_secret {
                true => {
                    let made = Made::from(changed);
                    output.answer(&made, || made.lines())
                }
                false => {
                    let row = Row::from(changed);
                    output.answer(&row, || vec![format!("webhook {}: {} is sent to {}", row.id, row.payload, row.url)])
                }
            }
        }
        WebhookCommand::Remove { id, yes } => remove(admin, id, *yes, output).await,
    }
}

async fn remove(admin: &Admin, id: &str, yes: bool, output: Output) -> Result<(), Failure> {
    if !yes && !terminal::confirm(&format!("Take webhook {id} away?"), "give --yes to do so without being asked")? {
        return Err(Failure::refused("not taken away"));
    }
    admin.directory.remove_webhook(id).await.map_err(|error| why_not(id, error))?;
    let removed = Removed { id };
    output.answer(&removed, || vec![format!("webhook {id}: taken away")])
}

#[derive(Serialize)]
struct Removed<'a> {
    id: &'a str,
}

/// Makes a webhook.
pub async fn make(admin: &Admin, url: &str, payload: Payload, account: &str) -> Result<Made, Failure> {
    let (include_parsed, include_raw) = payload.parts();
    let request = AddWebhookRequest { url: url.to_owned(), include_parsed, include_raw, account: account.to_owned() };
    let webhook = admin.directory.add_webhook(request).await.map_err(|error| match error {
        Error::Refused(why) => Failure::refused(format!("{url}: {why}")),
        error => Failure::refused(error),
    })?;
    Ok(Made::from(webhook))
}

/// A webhook with a secret that is shown once.
#[derive(Serialize)]
pub struct Made {
    /// Its id.
    pub id: String,
    url: String,
    secret: String,
}

impl Made {
    /// For people.
    pub fn lines(&self) -> Vec<String> {
        vec![
            format!("webhook  {} calls {}", self.id, self.url),
            format!("secret   {}", self.secret),
            "The secret, which signs the calls, is not shown again.".to_owned(),
        ]
    }
}

impl From<Webhook> for Made {
    fn from(webhook: Webhook) -> Self {
        let secret = format!("{SECRET_PREFIX}{}", STANDARD.encode(&webhook.secret));
        Self { id: webhook.id, url: webhook.url, secret }
    }
}

#[derive(Serialize)]
struct Row {
    id: String,
    url: String,
    payload: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    account: String,
    created: String,
}

impl From<Webhook> for Row {
    fn from(webhook: Webhook) -> Self {
        let payload = match (webhook.include_parsed, webhook.include_raw) {
            (true, true) => "both",
            (false, true) => "raw",
            (true | false, false) => "parsed",
        };
        let (id, url, account) = (webhook.id, webhook.url, webhook.account);
        Self { id, url, payload, account, created: moment(webhook.created_ms) }
    }
}

fn why_not(id: &str, error: Error) -> Failure {
    match error {
        Error::NotFound(why) | Error::Refused(why) => Failure::refused(format!("webhook {id}: {why}")),
        error => Failure::refused(error),
    }
}
