//! The configuration file: what else every command would have to be told. Flags and environment
//! variables go before it, each for itself.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::error::CommandError;

/// Settings of a configuration file; what it does not say is as without one.
#[derive(Deserialize, Default, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Directory of the client.
    pub(crate) home: Option<PathBuf>,
    /// Directory of the network's files, in place of those that are installed in the home.
    pub(crate) network: Option<PathBuf>,
    /// Key file that opens the store.
    pub(crate) key_file: Option<PathBuf>,
    /// File with the passphrase that opens the store.
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Command that the daemon runs for each message that arrives.
    pub(crate) exec: Option<String>,
    /// Second socket that the daemon serves, for programs that send and receive alone.
    pub(crate) program_socket: Option<PathBuf>,
    /// Time for which messages stay, set whenever a client is made or its daemon starts.
    #[serde(default, deserialize_with = "duration")]
    pub(crate) keep: Option<Duration>,
    /// Bytes of all messages that nobody has read, set whenever a client is made or its daemon starts.
    #[serde(default, deserialize_with = "room")]
    pub(crate) unread_room: Option<u64>,
}

/// Reads how much unread messages may have, as in `8GiB`: no less than that a contact has room for two
/// of the longest files.
pub(crate) fn unread_room(text: &str) -> Result<u64, String> {
    let units = [("MiB", 1_u64 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
    let size = units.into_iter().find_map(|(unit, bytes)| {
        let number: u64 = text.strip_suffix(unit)?.trim().parse().ok()?;
        number.checked_mul(bytes)
    });
    let size = size.ok_or("write it as in 512MiB or 8GiB")?;
    match size {
        LEAST_ROOM.. => Ok(size),
        _ => Err(format!("at least {}MiB, of which a contact has an eighth", LEAST_ROOM >> 20)),
    }
}

impl Config {
    /// Reads a configuration file; one that is not there says nothing.
    ///
    /// # Errors
    /// The file cannot be read, or is wrong; the error names the line.
    pub(crate) fn read(path: &Path) -> Result<Self, CommandError> {
        let wrong = |why: String| CommandError::Config { path: path.to_owned(), why };
        let mut text = String::new();
        match File::open(path).and_then(|file| file.take(LIMIT + 1).read_to_string(&mut text)) {
            Ok(_) if u64::try_from(text.len()).is_ok_and(|len| len <= LIMIT) => {}
            Ok(_) => return Err(wrong(format!("it holds more than {LIMIT} bytes"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(wrong(error.to_string())),
        }
        let mut config = Self::parse(&text).map_err(wrong)?;
        let directory = path.parent().unwrap_or_else(|| Path::new("."));
        let paths = [
            &mut config.home,
            &mut config.network,
            &mut config.key_file,
            &mut config.passphrase_file,
            &mut config.program_socket,
        ];
        for path in paths.into_iter().flatten() {
            *path = located(path, directory);
        }
        Ok(config)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let config: Self =
            toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        if config.key_file.is_some() && config.passphrase_file.is_some() {
            return Err("it names both key_file and passphrase_file; one opens the store".into());
        }
        Ok(config)
    }
}

/// A path as a person means it in a file: from the home directory after `~/`, else from the file's
/// own directory.
fn located(path: &Path, directory: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => directory.join(path),
    }
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    let read = humantime::parse_duration(&text);
    read.map(Some).map_err(|why| de::Error::custom(format!("{why}; write it as in 12h or 30d")))
}

fn room<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    unread_room(&String::deserialize(from)?).map(Some).map_err(de::Error::custom)
}

/// Least bytes of all messages that nobody has read.
const LEAST_ROOM: u64 = 320 << 20;
/// Bytes of the longest configuration file.
const LIMIT: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_is_read() {
        let text = "home = \"/srv/mail\"\nkey_file = \"mail.key\"\nkeep = \"30d\"\n\
                    unread_room = \"4GiB\"\n";
        let config = Config::parse(text).unwrap();
        let expected = Config {
            home: Some("/srv/mail".into()),
            key_file: Some("mail.key".into()),
            keep: Some(Duration::from_secs(30 * 86_400)),
            unread_room: Some(4 << 30),
            ..Config::default()
        };
        assert_eq!(config, expected);
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let cases = [
            ("\nhom = \"/x\"\n", "line 2", "`home`"),
            ("home = 7\n", "line 1", "string"),
            ("keep = \"1y2q\"\n", "line 1", "30d"),
            ("keep = \"\n", "line 1", ""),
            ("unread_room = \"8 GB\"\n", "line 1", "8GiB"),
            ("unread_room = \"64MiB\"\n", "line 1", "at least 320MiB"),
            ("unread_room = \"99999999999999TiB\"\n", "line 1", "8GiB"),
            ("key_file = \"a\"\npassphrase_file = \"b\"\n", "both", "passphrase_file"),
        ];
        for (text, place, remedy) in cases {
            let error = Config::parse(text).unwrap_err();
            assert!(error.contains(place) && error.contains(remedy), "{error}");
        }
    }

    #[test]
    fn paths_are_from_the_home_directory_or_the_file() {
        let directory = Path::new("/etc/rohrpost");
        assert_eq!(located(Path::new("/a/b"), directory), Path::new("/a/b"));
        assert_eq!(located(Path::new("a/b"), directory), Path::new("/etc/rohrpost/a/b"));
        let home = std::env::home_dir().unwrap();
        assert_eq!(located(Path::new("~/b"), directory), home.join("b"));
    }
}
