//! `brevdue dns DOMAIN`: every record that a domain needs, and with --check whether DNS has them.

mod check;
mod lines;
mod names;
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
use names::Names;
use record::{Needs, Record};
use serde::Serialize;

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
    let wrong = checked.iter().filter(|each| !each.is_good()).count();
    let told = Compared { domain: domain.as_str(), ok: wrong == 0, records: &checked };
    output.answer(&told, || lines::compared(&checked, lines::Colours::of_terminal()))?;
    match wrong {
        0 => Ok(()),
        n => Err(Failure::refused(format!("{domain}: {n} of {} records are not as they should be", checked.len()))),
    }
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
}
