//! Routes, rules, webhooks, settings and DKIM keys as answers on the wire.

use crate::catalogue::{
    Disposition, DomainRow, KeyRow, KeyState, OpenKey, Route, RuleKind, RuleMode, RuleRow, Sender, Target, WebhookRow,
};
use crate::settings::{SETTINGS, Settings};
use model::Domain;
use vault::signing::Algorithm;
use wire::directory as proto;

pub(in crate::server) fn route(route: Route) -> proto::RouteReply {
    let disposition = match route.disposition {
        Disposition::Accept => proto::Disposition::Accept,
        Disposition::Refuse => proto::Disposition::Refuse,
        Disposition::FailSoftly => proto::Disposition::FailSoftly,
        Disposition::Swallow => proto::Disposition::Swallow,
    };
    let stores = route.stores.into_iter().map(|(alias, subaddress)| super::alias(alias, subaddress.as_deref()));
    proto::RouteReply {
        disposition: disposition.into(),
        text: route.text,
        stores: stores.collect(),
        forwards: route.forwards,
        webhooks: route.webhooks,
        policy: Some(route.settings.policy()),
        owner: Some(super::alias(route.owner, None)),
        depends_on: route.depends_on.into_iter().collect(),
    }
}

pub(in crate::server) fn sender(sender: Sender, domain: &Domain) -> proto::MaySendReply {
    proto::MaySendReply {
        allowed: sender.allowed,
        sender_domain: sender.settings.as_ref().map(|_| domain.to_string()).unwrap_or_default(),
        policy: sender.settings.as_ref().map(Settings::policy),
        login: Some(super::alias(sender.login, None)),
    }
}

pub(in crate::server) fn rule(rule: RuleRow) -> proto::Rule {
    let kind = match rule.kind {
        RuleKind::Exact => proto::RuleKind::Exact,
        RuleKind::Pattern => proto::RuleKind::Pattern,
        RuleKind::CatchAll => proto::RuleKind::CatchAll,
    };
    let mode = match rule.mode {
        RuleMode::Accept => proto::RuleMode::Accept,
        RuleMode::Refuse => proto::RuleMode::Refuse,
        RuleMode::FailSoftly => proto::RuleMode::FailSoftly,
        RuleMode::Swallow => proto::RuleMode::Swallow,
    };
    proto::Rule {
        name: Some(proto::RuleName { domain: rule.domain, kind: kind.into(), pattern: rule.pattern }),
        position: rule.position,
        targets: rule.targets.into_iter().map(target).collect(),
        mode: mode.into(),
        text: rule.text,
        account: rule.account,
        created_ms: rule.created_ms,
    }
}

fn target(target: Target) -> proto::Target {
    let to = match target {
        Target::Store => proto::target::To::Store(true),
        Target::Forward(address) => proto::target::To::Forward(address),
        Target::Webhook(id) => proto::target::To::Webhook(id),
    };
    proto::Target { to: Some(to) }
}

/// A webhook, with its secret where that is to be told.
pub(in crate::server) fn webhook(row: WebhookRow, secret: Option<&[u8]>) -> proto::Webhook {
    proto::Webhook {
        id: row.id,
        url: row.url,
        secret: secret.unwrap_or_default().to_vec().into(),
        include_parsed: row.include_parsed,
        include_raw: row.include_raw,
        account: row.account,
        created_ms: row.created_ms,
    }
}

pub(in crate::server) fn details(domain: DomainRow, settings: &Settings, dkim: Vec<KeyRow>) -> proto::DomainDetails {
    let setting = |setting: &crate::settings::Setting| proto::Setting {
        name: setting.name.to_owned(),
        value: settings.value(setting.name).to_owned(),
        default_value: setting.default.to_owned(),
        help: setting.help.to_owned(),
        form: setting.form.to_string(),
    };
    proto::DomainDetails {
        domain: Some(super::domain(domain)),
        settings: SETTINGS.iter().map(setting).collect(),
        dkim_keys: keys(dkim),
    }
}

pub(in crate::server) fn keys(rows: Vec<KeyRow>) -> Vec<proto::DkimKey> {
    rows.into_iter().map(key).collect()
}

pub(in crate::server) fn key(row: KeyRow) -> proto::DkimKey {
    let state = match row.state {
        KeyState::Next => proto::DkimState::Next,
        KeyState::Active => proto::DkimState::Active,
        KeyState::Retired => proto::DkimState::Retired,
    };
    proto::DkimKey {
        domain: row.domain,
        selector: row.selector,
        algorithm: algorithm(row.algorithm),
        state: state.into(),
        public_key: row.public_key.into(),
        created_ms: row.created_ms,
        retired_ms: row.retired_ms,
    }
}

pub(in crate::server) fn signing_key(key: &OpenKey) -> proto::SigningKey {
    proto::SigningKey {
        selector: key.selector.clone(),
        algorithm: algorithm(key.algorithm),
        private_key: key.private_key.to_vec().into(),
    }
}

fn algorithm(algorithm: Algorithm) -> i32 {
    match algorithm {
        Algorithm::Rsa2048 => proto::KeyAlgorithm::Rsa2048.into(),
        Algorithm::Ed25519 => proto::KeyAlgorithm::Ed25519.into(),
    }
}
