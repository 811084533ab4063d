//! `brevdue dns DOMAIN`: every record that a domain needs, and with --check whether DNS has them.

mod check;
mod lines;
mod names;
mod policy;
mod record;
mod tlsa;

use crate::admin::Admin;
use crate::admin::domain::{parse, why_not};
use crate::cli::DnsArgs;
use crate::failure::Failure;
use crate::output::Output;
use check::Checked;
use daemon::shared::Shared;
use directory::settings::{Publish, Settings};
use model::Domain;
use names::Names;
use policy::Served;
use record::{Needs, Record};
use serde::Serialize;
use wire::directory::DkimKey;

/// Does what was asked.
pub async fn run(admin: &Admin, args: &DnsArgs, output: Output) -> Result<(), Failure> {
    let domain = parse(&args.domain)?;
    let details = admin.directory.show_domain(&domain).await.map_err(|error| why_not(&domain, error))?;
    let settings: Settings = details.settings.into_iter().map(|each| (each.name, each.value)).collect();
    let publish = Publish::from(&settings);
    let names = Names::of(&publish, &admin.config)?;
    let certificate = tlsa::certificate(args.certificate.as_deref(), &admin.config)?;
    let needs = Needs::new(&domain, &publish, &names, &details.dkim_keys, certificate.as_ref());
    if !args.check {
        let told = Told { domain: domain.as_str(), records: needs.records(), mta_sts_policy: needs.policy() };
        return output.answer(&told, || lines::zone(&needs));
    }
    let resolver = dns::Resolver::new(&admin.config.dns, Shared::in_process()).map_err(Failure::refused)?;
    if !resolver.is_enabled() {
        return Err(Failure::refused(
            "DNS is off in this configuration; set enabled in [dns], or check with another file",
        ));
    }
    let checked = check::all(&resolver, needs.records()).await;
    let served = match needs.policy() {
        Some(text) => {
            let wanted = (text, needs.policy_url());
            Some(policy::check(&resolver, &admin.config, domain.as_str(), wanted).await?)
        }
        None => None,
    };
    let good = checked.iter().filter(|each| each.is_good()).count() + served.iter().filter(|it| it.is_good()).count();
    let all = checked.len() + usize::from(served.is_some());
    let told =
        Compared { domain: domain.as_str(), ok: good == all, records: &checked, mta_sts_policy: served.as_ref() };
    output.answer(&told, || lines::compared(&checked, served.as_ref(), lines::Colours::of_terminal()))?;
    match all - good {
        0 => Ok(()),
        n => Err(Failure::refused(format!("{domain}: {n} of {all} records are not as they should be"))),
    }
}

/// The names of those keys whose record DNS has not; `None`: DNS is off.
pub async fn unpublished(admin: &Admin, domain: &Domain, keys: &[DkimKey]) -> Result<Option<Vec<String>>, Failure> {
    let resolver = dns::Resolver::new(&admin.config.dns, Shared::in_process()).map_err(Failure::refused)?;
    if !resolver.is_enabled() {
        return Ok(None);
    }
    let records: Vec<Record> = keys.iter().filter_map(|key| Record::of_key(domain.as_str(), key, "")).collect();
    let checked = check::all(&resolver, &records).await;
    Ok(Some(checked.into_iter().filter(|each| !each.is_good()).map(|each| each.record.name).collect()))
}

#[derive(Serialize)]
struct Told<'a> {
    domain: &'a str,
    records: &'a [Record],
    #[serde(skip_serializing_if = "Option::is_none")]
    mta_sts_policy: Option<&'a str>,
}

#[derive(Serialize)]
struct Compared<'a> {
    domain: &'a str,
    ok: bool,
    records: &'a [Checked],
    #[serde(skip_serializing_if = "Option::is_none")]
    mta_sts_policy: Option<&'a Served>,
}
