//! Domains that are made to be taken for others: letters of several scripts in one label, and shapes like those of a name of
//! ours.

/// What a label with letters of several scripts counts.
const MIXED_SCORE: f64 = 3.0;
/// What a name counts that looks like one of ours and is another.
const LOOK_ALIKE_SCORE: f64 = 4.0;

/// The sign, if it is such a name.
pub fn sign(host: &str, ours: &[String]) -> Option<(&'static str, f64)> {
    let (shown, _) = idna::domain_to_unicode(host);
    if shown.split('.').any(mixes_scripts) {
        return Some(("mixed-script", MIXED_SCORE));
    }
    let is_ours = |domain: &String| host == domain || host.ends_with(&format!(".{domain}"));
    let seen = skeleton(&shown);
    let looks_like = |domain: &String| {
        let wanted = skeleton(domain);
        seen == wanted || seen.strip_suffix(&wanted).is_some_and(|rest| rest.ends_with('.'))
    };
    if !ours.iter().any(is_ours) && ours.iter().any(looks_like) {
        return Some(("look-alike", LOOK_ALIKE_SCORE));
    }
    None
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
    Armenian,
    Cherokee,
}

/// The scripts whose letters are taken for Latin ones; others do not matter here.
fn script(c: char) -> Option<Script> {
    match c {
        'a'..='z' | 'A'..='Z' | '\u{C0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => Some(Script::Latin),
        '\u{370}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}' => Some(Script::Greek),
        '\u{400}'..='\u{52F}' => Some(Script::Cyrillic),
        '\u{530}'..='\u{58F}' => Some(Script::Armenian),
        '\u{13A0}'..='\u{13FF}' | '\u{AB70}'..='\u{ABBF}' => Some(Script::Cherokee),
        _ => None,
    }
}

/// UTS 39 §5.1: one label in one script.
fn mixes_scripts(label: &str) -> bool {
    let mut scripts = label.chars().filter_map(script);
    scripts.next().is_some_and(|first| scripts.any(|other| other != first))
}

/// The name as the eye takes it (UTS 39 §4, the letters that are used for it).
fn skeleton(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.to_lowercase().chars() {
        match c {
            '0' | 'о' | 'ο' | 'օ' => out.push('o'),
            '1' | 'і' | 'ι' | 'ı' | 'l' | '|' => out.push('i'),
            'а' | 'α' => out.push('a'),
            'е' | 'ё' => out.push('e'),
            'р' | 'ρ' => out.push('p'),
            'с' => out.push('c'),
            'х' => out.push('x'),
            'у' | 'γ' => out.push('y'),
            'ѕ' => out.push('s'),
            'ј' => out.push('j'),
            'һ' => out.push('h'),
            'ԁ' => out.push('d'),
            'ԛ' => out.push('q'),
            'ԝ' => out.push('w'),
            'ν' => out.push('v'),
            c => out.push(c),
        }
    }
    out.replace("rn", "m").replace("vv", "w")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_taken_for_others() {
        let ours = ["example.com".to_owned(), "modern.org".to_owned()];
        let name = |host: &str| sign(host, &ours).map(|(name, _)| name);
        assert_eq!(name("example.com"), None);
        assert_eq!(name("mail.example.com"), None);
        assert_eq!(name("examp1e.com"), Some("look-alike"));
        assert_eq!(name("login.examp1e.com"), Some("look-alike"));
        assert_eq!(name("rnodem.org"), Some("look-alike"));
        // Cyrillic а in a Latin name, and a name all in Cyrillic.
        assert_eq!(name(&idna::domain_to_ascii("ex\u{430}mple.com").unwrap()), Some("mixed-script"));
        assert_eq!(name(&idna::domain_to_ascii("\u{43f}\u{440}\u{438}\u{43c}\u{435}\u{440}.com").unwrap()), None);
        assert_eq!(name("b\u{fc}cher.example"), None);
    }
}
