//! What looks at a message's text as it passes: the checks of its signatures, the sample of its content, rspamd and clamd.

use crate::Mx;
use crate::content::{Found, Sample};
use crate::engines::{Asked, Running};
use crate::policy::Facts;
use crate::recipient::Accepted;
use authentication::{BodyStream, Checked};
use smtp::Path;

/// The look at one message.
pub struct Inspection {
    stream: BodyStream,
    /// Kept when a recipient's domain wants content looked at.
    sample: Option<Sample>,
    running: Running,
}

impl Inspection {
    /// Begins with the text.
    pub fn begin(mx: &Mx, facts: &Facts, sender: &Path, accepted: &[Accepted]) -> Self {
        let wanted = !facts.is_exempt() && accepted.iter().filter_map(Accepted::policy).any(|policy| policy.content);
        let running = if wanted {
            let recipients = accepted.iter().map(|one| one.address.clone()).collect();
            mx.engines.begin(Asked {
                address: facts.client.address,
                hello: facts.client.hello.clone(),
                sender: sender.as_str().to_owned(),
                recipients,
            })
        } else {
            Running::default()
        };
        Self { stream: BodyStream::new(), sample: wanted.then(Sample::default), running }
    }

    /// More text, as it came.
    pub async fn push(&mut self, text: &[u8]) {
        self.stream.push(text);
        if let Some(sample) = &mut self.sample {
            sample.push(text);
        }
        self.running.push(text).await;
    }

    /// The text is whole: everything that can be known of it goes into `facts`.
    pub async fn finish(self, mx: &Mx, facts: &mut Facts, accepted: &[Accepted]) -> Checked {
        let checked = self.stream.finish();
        if let Some(envelope) = facts.envelope.clone() {
            facts.results = Some(Box::pin(authentication::verify(&mx.resolver, envelope, &checked)).await);
        }
        let verdicts = self.running.finish().await;
        let by_rspamd = verdicts.reasons.is_some();
        facts.virus = verdicts.virus;
        facts.signs = verdicts.reasons.unwrap_or_default();
        if let Some(sample) = self.sample {
            let ours: Vec<String> = accepted.iter().map(|one| one.domain.to_string()).collect();
            let Found { signs, domains } =
                tokio::task::spawn_blocking(move || sample.inspect(&ours)).await.unwrap_or_default();
            // Where rspamd has looked, its word stands for ours on content.
            if !by_rspamd {
                facts.signs.extend(signs);
            }
            for policy in accepted.iter().filter_map(Accepted::policy) {
                facts.look_up_domains(mx, policy, &domains).await;
            }
        }
        checked
    }
}
