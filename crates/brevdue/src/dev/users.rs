//! Who has a mailbox in a `dev`: from the command line, from a file, and from the runs before.
//!
//! The folder keeps their passwords, so that a restart can tell them again. That is for trying out, and the one place
//! where Brevdue keeps a password; a real installation has no such file.

use super::folder::{Folder, write_whole};
use crate::cli::DevArgs;
use crate::failure::Failure;
use crate::terminal::PASSWORD_BYTES_MAX;
use model::Address;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use vault::credential;
use zeroize::Zeroizing;

/// Who there is when nobody is named.
const DEFAULT_USER: &str = "you@brevdue.test";
/// Who the health checks sign in as: a domain that nobody's mail has.
pub const PROBE: &str = "probe@health.brevdue.internal";
/// Octets of a file of users: some hundred thousand of them.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A user.
pub struct User {
    /// Normalised, without a subaddress.
    pub address: Address,
    /// What opens the mailbox.
    pub password: Zeroizing<String>,
    /// What opened it in the last run, when that was something else.
    pub former: Option<Zeroizing<String>>,
}

/// A password that was given, or `None` for one to generate.
type Given = Option<Zeroizing<String>>;

/// The account that the IMAP front-ends' health checks sign in with; its password is made once and kept in a file.
pub fn probe(folder: &Folder) -> Result<User, Failure> {
    let file = folder.probe_password();
    let password = match fs::exists(&file)? {
        true => Zeroizing::new(Zeroizing::new(fs::read_to_string(&file)?).trim_end().to_owned()),
        false => {
            let made = Zeroizing::new(credential::generate_password()?.expose().to_owned());
            write_whole(&file, &made)?;
            made
        }
    };
    let (address, _) = one(PROBE)?;
    Ok(User { address, password, former: None })
}

/// Those that are asked for and those of the runs before, in the order in which they were named.
pub fn gather(args: &DevArgs, folder: &Folder) -> Result<Vec<User>, Failure> {
    let known = match fs::exists(folder.users())? {
        true => from_file(&folder.users())?,
        false => Vec::new(),
    };
    let mut given = args.users.iter().map(|text| one(text)).collect::<Result<Vec<_>, _>>()?;
    if let Some(file) = &args.users_file {
        given.extend(from_file(file)?);
    }
    if given.is_empty() && known.is_empty() {
        given.push(one(DEFAULT_USER)?);
    }
    merge(given, known)
}

/// Remembers them for the next run, each with this password.
pub fn remember(
    folder: &Folder,
    users: &[User],
    password: impl Fn(&User) -> &Zeroizing<String>,
) -> Result<(), Failure> {
    let mut text = Zeroizing::new(String::new());
    for user in users {
        text.push_str(&user.address.alias());
        text.push(' ');
        text.push_str(password(user));
        text.push('\n');
    }
    write_whole(&folder.users(), &text)
}

fn merge(given: Vec<(Address, Given)>, known: Vec<(Address, Given)>) -> Result<Vec<User>, Failure> {
    let mut former: BTreeMap<String, Given> =
        known.iter().map(|(address, password)| (address.alias(), password.clone())).collect();
    let mut at = BTreeMap::new();
    let mut users: Vec<User> = Vec::with_capacity(given.len() + known.len());
    for (address, password) in given.into_iter().chain(known) {
        let alias = address.alias();
        if let Some(&at) = at.get(&alias) {
            let named: &User = users.get(at).ok_or_else(|| Failure::refused("a user was lost"))?;
            // Named twice with two passwords, on one command line; what the runs before say gives way.
            let old = former.contains_key(&alias) || password.is_none_or(|password| password == named.password);
            if !old {
                return Err(Failure::refused(format!("{alias}: given twice with different passwords; leave one out")));
            }
            continue;
        }
        let before = former.get_mut(&alias).and_then(Option::take);
        let password = match password.or_else(|| before.clone()) {
            Some(password) => password,
            None => Zeroizing::new(credential::generate_password()?.expose().to_owned()),
        };
        let former = before.filter(|before| *before != password);
        at.insert(alias, users.len());
        users.push(User { address, password, former });
    }
    Ok(users)
}

/// `ADDRESS[:PASSWORD]`; a password may hold anything, an address no colon but in quotes.
fn one(text: &str) -> Result<(Address, Given), Failure> {
    let domain = text.find('@').unwrap_or(0);
    let colon = text.get(domain..).and_then(|rest| rest.find(':')).map(|at| domain + at);
    match colon {
        Some(at) => checked(&text[..at], Some(&text[at + 1..])),
        None => checked(text, None),
    }
}

/// `address password` on each line; empty lines and those that begin with `#` say nothing.
fn from_file(path: &Path) -> Result<Vec<(Address, Given)>, Failure> {
    let at = path.display();
    let length = fs::metadata(path).map_err(|error| Failure::refused(format!("{at}: cannot be read: {error}")))?.len();
    if length > FILE_BYTES_MAX {
        return Err(Failure::refused(format!("{at}: longer than {FILE_BYTES_MAX} octets, which is no list of users")));
    }
    let text = fs::read_to_string(path).map_err(|error| Failure::refused(format!("{at}: cannot be read: {error}")))?;
    let text = Zeroizing::new(text);
    let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line.trim()));
    let told = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    told.map(|(n, line)| {
        let (address, password) = match line.split_once(char::is_whitespace) {
            Some((address, password)) => (address, Some(password.trim_start())),
            None => (line, None),
        };
        checked(address, password).map_err(|failure| failure.of(&format!("{at}:{n}")))
    })
    .collect()
}

fn checked(address: &str, password: Option<&str>) -> Result<(Address, Given), Failure> {
    let parsed: Address = address.parse().map_err(|error| Failure::refused(format!("{address}: {error}")))?;
    if parsed.subaddress().is_some() {
        return Err(Failure::refused(format!("{address}: a user's address has no +; it gets that mail anyway")));
    }
    if password.is_some_and(|password| password.is_empty() || password.len() > PASSWORD_BYTES_MAX) {
        let most = PASSWORD_BYTES_MAX;
        return Err(Failure::refused(format!("{address}: the password is empty or longer than {most} octets")));
    }
    Ok((parsed, password.map(|password| Zeroizing::new(password.to_owned()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> (String, Option<String>) {
        let Ok((address, password)) = one(text) else { panic!("{text}") };
        (address.alias(), password.map(|password| password.to_string()))
    }

    fn told(users: &[User]) -> Vec<(String, &str, Option<&str>)> {
        users
            .iter()
            .map(|user| (user.address.alias(), user.password.as_str(), user.former.as_ref().map(|text| text.as_str())))
            .collect()
    }

    #[test]
    fn a_password_follows_the_colon_after_the_domain() {
        assert_eq!(given("Ann@X.test"), ("ann@x.test".to_owned(), None));
        assert_eq!(given("a@x.test:p@ss:word"), ("a@x.test".to_owned(), Some("p@ss:word".to_owned())));
        assert_eq!(given("\"a:b\"@x.test:c"), ("a:b@x.test".to_owned(), Some("c".to_owned())));
        for bad in ["", "a", "a@x.test:", "a+b@x.test", ":x"] {
            assert!(one(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_given_wins_over_the_runs_before() {
        let pair = |text| one(text).ok().unwrap();
        let known = || vec![pair("a@x.test:old"), pair("b@x.test:same")];
        let users = merge(vec![pair("a@x.test:new"), pair("b@x.test"), pair("c@x.test:c")], known()).ok().unwrap();
        let expected = [
            ("a@x.test".to_owned(), "new", Some("old")),
            ("b@x.test".to_owned(), "same", None),
            ("c@x.test".to_owned(), "c", None),
        ];
        assert_eq!(told(&users), expected);
        assert_eq!(merge(Vec::new(), known()).ok().unwrap().len(), 2);
        assert_eq!(merge(vec![pair("d@x.test:1"), pair("d@x.test:1")], Vec::new()).ok().unwrap().len(), 1);
        assert!(merge(vec![pair("d@x.test:1"), pair("d@x.test:2")], Vec::new()).is_err());
        let generated = merge(vec![pair("d@x.test")], Vec::new()).ok().unwrap();
        assert!(generated[0].password.starts_with("bd_"));
    }

    #[test]
    fn a_file_names_the_line_that_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users");
        fs::write(&path, "# people\n\na@x.test  one two \r\nb@x.test\n").unwrap();
        let users = from_file(&path).ok().unwrap();
        let first = users[0].1.as_ref().map(|password| password.as_str());
        assert_eq!((users.len(), first, users[1].1.is_none()), (2, Some("one two"), true));
        fs::write(&path, "a@x.test one\nnobody\n").unwrap();
        let Err(Failure::Refused(why)) = from_file(&path) else { panic!("taken") };
        assert_eq!(why, format!("{}:2: nobody: an address has the form local-part@domain", path.display()));
    }
}
