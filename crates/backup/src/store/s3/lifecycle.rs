//! The rules by which a bucket deletes things by itself: ours, that ends uploads which nobody goes on with, and others', of which
//! some would delete backups. Rules that are not ours are never changed.

use super::{S3, failed};
use crate::store::StoreError;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus, LifecycleRule, LifecycleRuleFilter,
    TransitionDefaultMinimumObjectSize,
};

/// What our rule is called; what is stored with a prefix has one of its own.
const RULE_ID: &str = "brevdue-abort-incomplete-uploads";
/// What names of backups begin with, behind the prefix.
const NAMES: [&str; 4] = ["mailboxes/", "waiting/", "queues/", "catalogue/"];
/// Octets of a prefix's digest in the rule's name: two installations in one bucket do not meet.
const DIGEST_BYTES: usize = 8;

/// A bucket's rules.
struct Rules {
    rules: Vec<LifecycleRule>,
    /// Goes with them, and would be put back to its default without.
    least: Option<TransitionDefaultMinimumObjectSize>,
}

/// What came of setting our rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// What it is called.
    pub rule: String,
    /// Rules that there are besides.
    pub others: usize,
}

impl S3 {
    /// Has the bucket end uploads in parts that were begun so many days ago, below our prefix.
    pub(in crate::store) async fn prepare(&self, days: u16) -> Result<Prepared, StoreError> {
        let Rules { rules, least } = self.rules().await?;
        let id = self.rule_id();
        let others: Vec<LifecycleRule> = rules.into_iter().filter(|rule| rule.id() != Some(&id)).collect();
        let bad = |error: aws_sdk_s3::error::BuildError| StoreError::Failed(error.to_string());
        let ours = LifecycleRule::builder()
            .id(&id)
            .filter(LifecycleRuleFilter::builder().prefix(&self.prefix).build())
            .status(ExpirationStatus::Enabled)
            .abort_incomplete_multipart_upload(
                AbortIncompleteMultipartUpload::builder().days_after_initiation(days.into()).build(),
            )
            .build()
            .map_err(bad)?;
        let all = others.iter().cloned().chain([ours.clone()]).collect();
        let configuration = BucketLifecycleConfiguration::builder().set_rules(Some(all)).build().map_err(bad)?;
        let put = self.client.put_bucket_lifecycle_configuration().bucket(&self.bucket);
        let put = put.set_transition_default_minimum_object_size(least).lifecycle_configuration(configuration);
        put.send().await.map_err(|error| unsupported(error.code()).unwrap_or_else(|| failed(&self.bucket, &error)))?;
        // Some take what they do not know and keep something else.
        let now = self.rules().await?.rules;
        let kept = others.iter().all(|rule| now.contains(rule));
        let there = now.iter().any(|rule| rule.id() == Some(&id) && ends_uploads(rule));
        match (there, kept) {
            (true, true) => Ok(Prepared { rule: id, others: others.len() }),
            (false, _) => Err(StoreError::Failed("the store took the rule, and does not show it".to_owned())),
            (true, false) => Err(StoreError::Failed(
                "the store shows other rules than before: look at the bucket's lifecycle".to_owned(),
            )),
        }
    }

    /// What the operator should know of the bucket's rules, a line each.
    pub(in crate::store) async fn notes(&self) -> Vec<String> {
        let rules = match self.rules().await {
            Ok(Rules { rules, .. }) => rules,
            Err(error) => return vec![format!("what the bucket deletes by itself cannot be seen: {error}")],
        };
        let mut notes: Vec<String> = rules.iter().filter_map(|rule| self.harm(rule)).collect();
        if !rules.iter().any(|rule| ends_uploads(rule) && self.prefix.starts_with(prefix_of(rule))) {
            notes.push(
                "no rule ends uploads that nobody goes on with; `brevdue backup store prepare` sets one".to_owned(),
            );
        }
        notes
    }

    /// What a rule does to backups, if it does something.
    fn harm(&self, rule: &LifecycleRule) -> Option<String> {
        let prefix = prefix_of(rule);
        let meets = |folder: &str| {
            let ours = self.key(folder);
            ours.starts_with(prefix) || prefix.starts_with(&ours)
        };
        if !is_enabled(rule) || is_tagged(rule) || !NAMES.iter().any(|folder| meets(folder)) {
            return None;
        }
        let id = rule.id().unwrap_or("without a name");
        let expires =
            rule.expiration().is_some_and(|expiration| expiration.days().is_some() || expiration.date().is_some());
        if expires {
            return Some(format!("the bucket's rule {id} deletes objects after a time, backups too: take it away"));
        }
        (!rule.transitions().is_empty()).then(|| {
            format!(
                "the bucket's rule {id} moves objects to another class; from an archive nothing is restored at once"
            )
        })
    }

    async fn rules(&self) -> Result<Rules, StoreError> {
        match self.client.get_bucket_lifecycle_configuration().bucket(&self.bucket).send().await {
            Ok(found) => Ok(Rules {
                least: found.transition_default_minimum_object_size().cloned(),
                rules: found.rules.unwrap_or_default(),
            }),
            Err(error) if error.code() == Some("NoSuchLifecycleConfiguration") => {
                Ok(Rules { rules: Vec::new(), least: None })
            }
            Err(error) => Err(unsupported(error.code()).unwrap_or_else(|| failed(&self.bucket, &error))),
        }
    }

    fn rule_id(&self) -> String {
        if self.prefix.is_empty() {
            return RULE_ID.to_owned();
        }
        let digest = vault::digest(self.prefix.as_bytes());
        format!("{RULE_ID}-{}", crate::manifest::hex(digest.get(..DIGEST_BYTES).unwrap_or_default()))
    }
}

fn unsupported(code: Option<&str>) -> Option<StoreError> {
    let unknown = matches!(code, Some("NotImplemented" | "MethodNotAllowed" | "UnsupportedOperation" | "NotSupported"));
    let why = "the store has no lifecycle rules that can be set: end uploads that nobody goes on with by its own means";
    unknown.then(|| StoreError::Unsupported(why.to_owned()))
}

fn is_enabled(rule: &LifecycleRule) -> bool {
    *rule.status() == ExpirationStatus::Enabled
}

fn ends_uploads(rule: &LifecycleRule) -> bool {
    is_enabled(rule) && !is_tagged(rule) && rule.abort_incomplete_multipart_upload().is_some()
}

/// Ours have no tags: a rule for some is for other objects.
fn is_tagged(rule: &LifecycleRule) -> bool {
    rule.filter().is_some_and(|filter| filter.tag().is_some() || filter.and().is_some_and(|and| !and.tags().is_empty()))
}

/// What the names begin with that a rule is for.
fn prefix_of(rule: &LifecycleRule) -> &str {
    let filter = rule.filter();
    let within = filter.and_then(|filter| filter.prefix().or_else(|| filter.and()?.prefix()));
    // Where it stood once, and does in rules that are old enough.
    #[allow(deprecated, reason = "rules of others")]
    within.or_else(|| rule.prefix()).unwrap_or_default()
}
