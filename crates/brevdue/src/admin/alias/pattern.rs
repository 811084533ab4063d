//! `brevdue alias pattern …`

use super::route::{self, Edit};
use crate::admin::Admin;
use crate::cli::PatternCommand;
use crate::failure::Failure;
use crate::output::Output;
use model::Domain;
use wire::directory::{AddRuleRequest, ChangeRuleRequest, RuleKind, RuleMode, RuleName};

/// Does what was asked.
pub(super) async fn run(admin: &Admin, command: &PatternCommand, output: Output) -> Result<(), Failure> {
    match command {
        PatternCommand::Add { domain, regex, targets, account, position } => {
            let request = AddRuleRequest {
                name: Some(name(domain, regex)?),
                account: account.clone().unwrap_or_default(),
                position: position.unwrap_or_default(),
                ..AddRuleRequest::default()
            };
            route::add(admin, request, targets, output).await
        }
        PatternCommand::Change { domain, regex, targets, without, position, disable, enable, text } => {
            let mode = match (disable, enable) {
                (Some(mode), _) => route::rule_mode(*mode),
                (None, true) => RuleMode::Accept,
                (None, false) => RuleMode::Unspecified,
            };
            let request = ChangeRuleRequest {
                name: Some(name(domain, regex)?),
                mode: mode.into(),
                text: text.clone().unwrap_or_default(),
                position: position.unwrap_or_default(),
                ..ChangeRuleRequest::default()
            };
            let edit = Edit { targets, without, store: false, no_store: false };
            route::edited(admin, request, &edit, output).await
        }
        PatternCommand::Remove { domain, regex } => route::forget(admin, &name(domain, regex)?, true, output).await,
        PatternCommand::List { domain } => {
            let domain: Domain = parse(domain)?;
            let mut rules = admin.directory.list_rules(Some(&domain)).await?;
            rules.retain(|rule| rule.name.as_ref().is_some_and(|name| name.kind() == RuleKind::Pattern));
            route::tell_all(rules, output)
        }
    }
}

fn name(domain: &str, regex: &str) -> Result<RuleName, Failure> {
    let domain = parse(domain)?.to_string();
    Ok(RuleName { domain, kind: RuleKind::Pattern.into(), pattern: regex.to_owned() })
}

fn parse(domain: &str) -> Result<Domain, Failure> {
    domain.parse().map_err(|error| Failure::refused(format!("{domain}: {error}")))
}
