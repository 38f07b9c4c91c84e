//! Signatures of the agencies: given, and verified.

use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

use rohrpost_measure::output::{is_lost, say, tell};
use rohrpost_network::unix_now;
use rohrpost_node::read_signing_key;
use rohrpost_proto::directory::carousel::room::Room;
use rohrpost_proto::directory::roster::{Consent, Roster, RosterSignature};
use rohrpost_proto::directory::trust::{Agency, TrustRoot};
use serde_json::json;

use super::record::Record;
use super::summary;
use crate::error::OpsError;
use crate::folder::{Folder, ROSTER, lock};
use crate::trust::survives;

/// Signs the roster of a directory as one agency. What cannot be read, breaks a rule or has expired is
/// not signed, nor one whose network documents do not reach clients in time; and no agency signs two rosters of one version, or one that is older than another that
/// it signed: by its own record, for the directory may come from anybody.
///
/// # Errors
/// A file is wrong, the key is not the agency's, or nobody has confirmed.
pub(super) fn sign(
    network: &Path,
    agency: &str,
    key: &Path,
    record: Option<&Path>,
    yes: bool,
) -> Result<(), OpsError> {
    let folder = Folder::lock(network)?;
    let (trust, text) = (folder.trust()?, folder.roster()?);
    let path = key.canonicalize().map_err(|source| OpsError::Read { path: key.into(), source })?;
    let record = record.map_or_else(|| Record::beside(&path), Path::to_owned);
    let key = read_signing_key(&path)?;
    // Whoever signs with the same key elsewhere waits until this is noted.
    let _lock = lock(&path, "signs with this key")?;
    let mut record = Record::read(record, &trust)?;
    let known = trust.agencies().iter().find(|known| known.name == agency);
    if known.is_none_or(|known| known.key != key.public()) {
        return Err(OpsError::NotItsKey(agency.to_owned()));
    }
    let roster = Roster::draft(&text, &trust).and_then(|roster| {
        roster.check_expiry(unix_now().as_secs())?;
        Ok(roster)
    });
    let roster = roster.map_err(|error| folder.fault(ROSTER, error))?;
    check_room(&folder, &roster)?;
    record.check(agency, &roster)?;
    let signatures = left(&trust, agency, &roster, folder.signatures()?)?;
    summary::lines(&roster).iter().for_each(|line| say(line));
    say(&survives(&trust));
    confirm(agency, yes)?;
    record.note(agency, &roster)?;
    add(&folder, &trust, signatures, Roster::sign(&text, &trust, agency, &key))
}

/// The other agencies' signatures of a roster. Those of older ones go, and it is said.
///
/// # Errors
/// An agency has signed a newer roster, or the own one another of this version.
fn left(
    trust: &TrustRoot,
    agency: &str,
    roster: &Roster,
    mut signatures: Vec<RosterSignature>,
) -> Result<Vec<RosterSignature>, OpsError> {
    let genuine = signatures.iter().filter(|signed| signed.is_genuine(trust));
    for signed in genuine {
        if signed.version > roster.version {
            return Err(OpsError::newer(signed));
        }
        let same = signed.version == roster.version && signed.agency == agency;
        if same && signed.roster != roster.hash {
            let (agency, version) = (agency.to_owned(), signed.version);
            return Err(OpsError::SameVersion { agency, version });
        }
    }
    signatures.retain(|signed| {
        let stays = signed.roster == roster.hash && signed.is_genuine(trust);
        if !stays && signed.agency != agency {
            say(&format!("the signature of {} was not of this roster, and is gone", signed.agency));
        }
        stays && signed.agency != agency
    });
    Ok(signatures)
}

/// Writes a signature beside the others, and says how many are missing.
fn add(
    folder: &Folder,
    trust: &TrustRoot,
    mut signatures: Vec<RosterSignature>,
    own: RosterSignature,
) -> Result<(), OpsError> {
    let (agency, roster) = (own.agency.clone(), own.roster);
    signatures.push(own);
    folder.put_signatures(&signatures)?;
    let signed =
        |agency: &&Agency| Consent::of(agency, trust, roster, &signatures) == Consent::Signed;
    let count = trust.agencies().iter().filter(signed).count();
    say(&match trust.threshold().saturating_sub(count) {
        0 => format!("{agency} has signed; the roster holds"),
        1 => format!("{agency} has signed; one more signature is needed"),
        missing => format!("{agency} has signed; {missing} more signatures are needed"),
    });
    Ok(())
}

/// Asks whoever sits there, and has what is to be signed before his eyes.
fn confirm(agency: &str, yes: bool) -> Result<(), OpsError> {
    if is_lost() {
        return Err(OpsError::Unconfirmed);
    }
    if yes {
        return Ok(());
    }
    let input = io::stdin();
    if !input.is_terminal() || !io::stdout().is_terminal() {
        return Err(OpsError::Unconfirmed);
    }
    tell(&format!("Sign this as {agency}? Type yes:"));
    let mut answer = String::new();
    match input.lock().read_line(&mut answer) {
        Ok(_) if answer.trim() == "yes" => Ok(()),
        _ => Err(OpsError::Unconfirmed),
    }
}

/// Says who has signed the roster of a directory, and checks that it holds.
///
/// # Errors
/// The roster does not hold; the error says why, and what to do.
pub(super) fn verify(network: &Path, json: bool) -> Result<(), OpsError> {
    let folder = Folder::open(network);
    let (trust, text, signatures) = (folder.trust()?, folder.roster()?, folder.signatures()?);
    let roster = Roster::draft(&text, &trust).map_err(|error| folder.fault(ROSTER, error))?;
    let checked = Roster::verify(&text, &signatures, &trust, unix_now().as_secs());
    let consent = |agency: &Agency| words(Consent::of(agency, &trust, roster.hash, &signatures));
    let agencies = trust.agencies().iter().map(|agency| (&agency.name, consent(agency)));
    if json {
        let agencies = agencies.map(|(name, words)| json!({ "agency": name, "signature": words }));
        let mut told = summary::of(&roster);
        told["holds"] = checked.is_ok().into();
        told["threshold"] = trust.threshold().into();
        told["agencies"] = agencies.collect();
        say(&told.to_string());
    } else {
        summary::lines(&roster).iter().for_each(|line| say(line));
        say(&survives(&trust));
        agencies.for_each(|(name, words)| say(&format!("  {name:<16} {words}")));
    }
    checked.map_err(|error| folder.fault(ROSTER, error))?;
    check_room(&folder, &roster)
}

/// Checks that the network documents of a roster reach clients in time.
fn check_room(folder: &Folder, roster: &Roster) -> Result<(), OpsError> {
    let path = || folder.file(ROSTER);
    Room::of(roster).check().map_err(|source| OpsError::Room { path: path(), source })
}

/// Words for an agency's stand on a roster.
fn words(consent: Consent) -> String {
    match consent {
        Consent::Signed => "has signed".to_owned(),
        Consent::SignedAnother { version } => {
            format!("has signed another roster, of version {version}; is to sign again")
        }
        Consent::Wrong => "its signature is not by its key".to_owned(),
        Consent::Missing => "has not signed".to_owned(),
    }
}
