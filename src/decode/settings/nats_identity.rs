//! Credentials of NATS that prove themselves by a signature: `.creds` texts and nkeys. They are never repeated.

use super::secret::Secret;
use nkeys::{KeyPair, KeyPairType};

/// Between the JWT's marks, in what `nsc` writes.
const JWT: &str = "NATS USER JWT";
/// Between the seed's.
const SEED: &str = "USER NKEY SEED";
/// The beginning of a user's seed.
const USER_SEED: &str = "SU";

/// Checks the text of a `.creds` file and gives its JWT and seed, in the form that the client reads.
///
/// # Errors
/// A block is missing, or the seed is invalid.
pub fn creds(text: &str) -> Result<Secret, String> {
    let block = |name: &str| {
        let lines = text.lines().map(str::trim);
        let mut lines =
            lines.skip_while(|line| !(line.starts_with("-----BEGIN") && line.contains(name)));
        lines.nth(1).filter(|line| !line.starts_with('-'))
    };
    let missing = |name: &str| {
        format!(
            "no {name}: expected the text of a .creds file, as `nsc generate creds` prints it (its path belongs into \
             NATS_CREDS_FILE)"
        )
    };
    let jwt = block(JWT).filter(|jwt| jwt.split('.').count() == 3);
    let jwt = jwt.ok_or_else(|| missing(JWT))?;
    let seed = block(SEED).ok_or_else(|| missing(SEED))?;
    let seed = user_seed(seed)?;
    Ok(Secret::new(format!(
        "-----BEGIN {JWT}-----\n{jwt}\n------END {JWT}------\n\n-----BEGIN {SEED}-----\n{seed}\n------END {SEED}------\n"
    )))
}

/// The seed in a text that may have comments and marks around it.
///
/// # Errors
/// No seed, an invalid one, or that of another kind of key.
pub fn nkey(text: &str) -> Result<Secret, String> {
    let mut lines = text.lines().map(str::trim);
    let seed = lines.find(|line| line.starts_with(USER_SEED));
    let seed = seed.ok_or("no seed of a user: expected one that begins with SU")?;
    user_seed(seed).map(Secret::new)
}

fn user_seed(seed: &str) -> Result<&str, String> {
    let pair = KeyPair::from_seed(seed);
    match pair.map(|pair| pair.key_pair_type()) {
        Ok(KeyPairType::User) => Ok(seed),
        Ok(_) => Err("the seed is not that of a user, which begins with SU".to_owned()),
        Err(_) => Err("the seed is invalid: a character is missing or wrong".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(kind: KeyPairType) -> String {
        let pair = KeyPair::new_from_raw(kind, [7; 32]).expect("32 bytes");
        pair.seed().expect("it has one")
    }

    fn text(jwt: &str, seed: &str) -> String {
        format!(
            "-----BEGIN NATS USER JWT-----\r\n{jwt}\r\n------END NATS USER JWT------\r\n\r\n\
             ************************* IMPORTANT *************************\r\n\
             -----BEGIN USER NKEY SEED-----\r\n{seed}\r\n------END USER NKEY SEED------"
        )
    }

    #[test]
    fn a_creds_text_is_read_with_any_line_ends() {
        let seed = seed(KeyPairType::User);
        let read = creds(&text("a.b.c", &seed)).expect("whole");
        // The client wants line breaks around both, at the end too.
        let (jwt, seed) = ("-\na.b.c\n-", format!("-\n{seed}\n-"));
        let text = read.reveal();
        assert!(text.contains(jwt) && text.contains(&seed) && text.ends_with("-\n"));
    }

    #[test]
    fn a_seed_is_found_among_comments() {
        let seed = seed(KeyPairType::User);
        for text in [&seed, &format!("# mine\n  {seed} \n")] {
            assert_eq!(
                nkey(text).map(|one| one.reveal().to_owned()),
                Ok(seed.clone())
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said_and_no_secret_repeated() {
        let user = seed(KeyPairType::User);
        let account = seed(KeyPairType::Account);
        let broken = user.replace("SUA", "SUB");
        let cases = [
            (creds("/etc/nats/my.creds"), "NATS_CREDS_FILE"),
            (creds(&text("no-jwt", &user)), "no NATS USER JWT"),
            (creds(&text("a.b.c", "")), "invalid"),
            (creds(&text("a.b.c", &account)), "not that of a user"),
            (nkey(&account), "begins with SU"),
            (nkey("SUNSHINE"), "invalid"),
            (nkey(&broken), "invalid"),
            (nkey(&user[..40]), "invalid"),
            (nkey(""), "begins with SU"),
        ];
        for (number, (read, words)) in cases.into_iter().enumerate() {
            let what = read.expect_err("it is wrong");
            assert!(what.contains(words), "{number}: {what}");
            assert!(!what.contains(&user[4..20]) && !what.contains(&account[4..20]));
        }
    }
}
