//! Every setting reads its default, and bad values are no values.

use super::*;

#[test]
fn every_default_is_in_its_own_spelling() {
    for setting in &SETTINGS {
        assert_eq!(setting.form.read(setting.default, "").as_deref(), Some(setting.default), "{}", setting.name);
        assert!(setting.help.ends_with('.') && !setting.form.to_string().is_empty(), "{}", setting.name);
    }
    let names: std::collections::BTreeSet<_> = SETTINGS.iter().map(|setting| setting.name).collect();
    assert_eq!(names.len(), SETTINGS.len());
}

#[test]
fn the_policy_of_the_defaults() {
    let policy = Settings::default().policy();
    let expected = Policy {
        greylist: false,
        greylist_seconds: 300,
        fcrdns: Enforcement::Score.into(),
        dnsbl: Enforcement::Refuse.into(),
        dnsbl_zones: Vec::new(),
        uribl_zones: Vec::new(),
        allow: Vec::new(),
        deny: Vec::new(),
        spf: Enforcement::Score.into(),
        dkim: Enforcement::Score.into(),
        dmarc: Enforcement::Refuse.into(),
        content: true,
        junk_score: 5.0,
        refuse_score: 15.0,
        source_messages_per_hour: 3600,
        recipient_messages_per_hour: 3600,
        subaddress_separator: "+".to_owned(),
        send_recipients_per_hour: 500,
        sent_copy: false,
    };
    assert_eq!(policy, expected);
}

#[test]
fn one_spelling_for_each_value() {
    for (name, text, value) in [
        ("greylist", " ON ", Some("on")),
        ("greylist", "yes", None),
        ("greylist", "", None),
        ("dmarc", "Refuse", Some("refuse")),
        ("dmarc", "reject", None),
        ("greylist_seconds", "060", Some("60")),
        ("greylist_seconds", "0", None),
        ("greylist_seconds", "+60", None),
        ("greylist_seconds", "99999999999", None),
        ("quota_bytes", "5120M", Some("5G")),
        ("quota_bytes", "5 G", None),
        ("backup_store", "", Some("")),
        ("backup_store", "R2.eu", Some("R2.eu")),
        ("backup_store", "NONE", Some("none")),
        ("backup_store", "a b", None),
        ("junk_score", "6.0", Some("6")),
        ("junk_score", "6.5", Some("6.5")),
        ("junk_score", "6.25", None),
        ("junk_score", "-1", None),
        ("junk_score", "1e2", None),
        ("junk_score", "100.1", None),
        ("subaddress", "none", Some("none")),
        ("subaddress", "@", None),
        ("dnsbl_zones", "Zen.Example.org., b.example", Some("b.example,zen.example.org")),
        ("dnsbl_zones", "localhost", None),
        ("dnsbl_zones", "a.b,b.b,c.b,d.b,e.b,f.b,g.b,h.b,i.b", None),
        ("allow", "192.0.2.77/24, 2001:DB8::1, ::ffff:192.0.2.1", Some("192.0.2.0/24,192.0.2.1,2001:db8::1")),
        ("allow", "Ann+x@B\u{fc}cher.example,example.com", Some("ann@xn--bcher-kva.example,example.com")),
        ("allow", "0.0.0.0/0", None),
        ("allow", "192.0.2.0/33", None),
        ("allow", "192.0.2.0/", None),
        ("allow", "", Some("")),
        ("client_host", "", Some("")),
        ("client_host", "Mail.Example.com", Some("mail.example.com")),
        ("client_host", "192.0.2.1", None),
        ("report_address", "nobody", None),
        ("report_address", "Reports@example.com", Some("reports@example.com")),
    ] {
        assert_eq!(find(name).unwrap().form.read(text, "").as_deref(), value, "{name} {text:?}");
    }
}

#[test]
fn lists_are_changed_or_replaced() {
    let read = |text: &str, now: &str| Form::Sources.read(text, now);
    assert_eq!(read("+b.test,-a.test", "a.test,c.test").as_deref(), Some("b.test,c.test"));
    assert_eq!(read("d.test", "a.test,c.test").as_deref(), Some("d.test"));
    assert_eq!(read("+d.test,e.test", "a.test"), None);
    assert_eq!(read("-a.test", "a.test").as_deref(), Some(""));
    let full: Vec<_> = (0..256).map(|n| format!("n{n}.test")).collect();
    assert!(read(&full.join(","), "").is_some());
    assert_eq!(read("+one.more", &full.join(",")), None);
}

#[test]
fn what_is_set_goes_before_the_default() {
    let settings: Settings =
        [("dmarc".to_owned(), "off".to_owned()), ("subaddress".to_owned(), "none".to_owned())].into_iter().collect();
    assert_eq!(settings.policy().dmarc(), Enforcement::Off);
    assert_eq!((settings.separator(), settings.value("greylist")), (None, "off"));
    let publish = Publish::from(&settings);
    assert_eq!((publish.spf_all, publish.mta_sts), ("-all", MtaStsMode::Testing));
    let policy = publish.mta_sts_policy(&["mx1.x.test".to_owned(), "mx2.x.test".to_owned()]).unwrap();
    let text = "version: STSv1\r\nmode: testing\r\nmx: mx1.x.test\r\nmx: mx2.x.test\r\nmax_age: 604800\r\n";
    assert_eq!((policy.as_str(), mta_sts_id(&policy).len()), (text, 32));
}
