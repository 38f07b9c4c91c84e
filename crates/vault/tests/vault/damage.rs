//! Flipped bytes, and files that were cut: a vault tells the truth or nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::SeedableRng;
use rand::RngExt;
use rohrpost_vault::{KeyedTable, OrderedTable, Vault, VaultError};

use super::{Folder, body, unlock};

const PEOPLE: KeyedTable = KeyedTable::new("people");
const EVENTS: OrderedTable = OrderedTable::new("events");

/// Everything that a vault holds.
#[derive(PartialEq)]
struct Contents {
    people: BTreeMap<Vec<u8>, Vec<u8>>,
    events: Vec<(u64, Vec<u8>)>,
}

impl Contents {
    fn of(vault: &Vault) -> Result<Self, VaultError> {
        vault.read(|tx| {
            let people =
                tx.iter(PEOPLE)?.map(|it| it.map(|(key, value)| (key.to_vec(), value.to_vec())));
            let events =
                tx.entries(EVENTS, 0)?.map(|it| it.map(|(at, value)| (at, value.to_vec())));
            let people = people.collect::<Result<_, _>>()?;
            Ok(Self { people, events: events.collect::<Result<_, _>>()? })
        })
    }
}

/// Makes commits, with records that were replaced and removed, so that both of redb's commit slots
/// and some free pages are in use. The newest commit changes what a fall-back would show.
fn populate(vault: &Vault) {
    for round in 0..12_u64 {
        let written = vault.write(|tx| {
            for person in 0..6 {
                tx.put(
                    PEOPLE,
                    &u64::to_be_bytes(person * (round % 3)),
                    &body(round * 100 + person),
                )?;
                tx.append(EVENTS, &body(round * 1000 + person))?;
            }
            tx.remove_entry(EVENTS, round * 4)?;
            Ok::<_, VaultError>(())
        });
        written.unwrap();
    }
}

/// A populated vault: what it holds, and its bytes as they are when its process dies and when it
/// ends.
struct Specimen {
    folder: Folder,
    original: Contents,
    died: Vec<u8>,
    ended: Vec<u8>,
    /// Seals of the vault whose process ended.
    seals: Vec<u8>,
}

impl Specimen {
    fn new(test: &str) -> Self {
        let folder = Folder::in_memory(test);
        let vault = folder.vault();
        populate(&vault);
        let original = Contents::of(&vault).unwrap();
        let died = fs::read(folder.path("vault")).unwrap();
        drop(vault);
        let ended = fs::read(folder.path("vault")).unwrap();
        let seals = fs::read(folder.path("vault.seals")).unwrap();
        Self { folder, original, died, ended, seals }
    }
}

/// Count of the images that were refused, and of those that opened as if nothing had happened.
#[derive(Default, Debug)]
struct Tally {
    refused: usize,
    intact: usize,
}

impl Tally {
    /// Tries to open an image. If it opens, it must hold what it held, take a change, and hold both
    /// when it is opened again.
    fn try_image(&mut self, path: &Path, image: &[u8], original: &Contents, what: &str) {
        fs::write(path, image).unwrap();
        let open = || Vault::open(path, &unlock("right"));
        match open().and_then(|vault| Ok((Contents::of(&vault)?, vault))) {
            Err(error) => {
                let named = error.to_string().contains(&*path.to_string_lossy());
                assert!(named, "{what}: {error}");
                self.refused += 1;
            }
            Ok((contents, vault)) => {
                assert!(contents == *original, "{what}: opened with other contents");
                let number = vault.write(|tx| tx.append(EVENTS, &body(7))).unwrap();
                drop(vault);
                let mut contents = Contents::of(&open().unwrap()).unwrap();
                assert!(contents.events.pop() == Some((number, body(7))), "{what}");
                assert!(contents == *original, "{what}: other contents after a change");
                self.intact += 1;
            }
        }
    }

    /// Flips bits of the byte at each offset in turn.
    fn flip_each(
        &mut self,
        path: &Path,
        image: &[u8],
        original: &Contents,
        rng: &mut ChaCha8Rng,
        offsets: impl IntoIterator<Item = usize>,
    ) {
        let mut image = image.to_vec();
        for at in offsets {
            let flip = rng.random_range(1..=255);
            image[at] ^= flip;
            self.try_image(path, &image, original, &format!("byte {at} ^ {flip:#x}"));
            image[at] ^= flip;
        }
    }
}

/// Checks all of a vault, in steps.
fn check(vault: &Vault) -> Result<(), VaultError> {
    let mut check = vault.begin_check()?;
    while !vault.go_on(&mut check, 10)? {}
    Ok(())
}

/// Under its seals a vault opens at once, and what is damaged is noticed where it is read: nothing
/// that is read or written differs from what was, and an error names the file.
#[test]
fn a_flipped_byte_under_seals_is_reported_where_it_is_read() {
    let Specimen { folder, original, ended: mut image, seals, .. } = Specimen::new("sealed");
    let path = folder.path("sealed");
    let rng = &mut ChaCha8Rng::seed_from_u64(2);
    let (mut opened, mut read, mut refused) = (0, 0, 0);
    for at in (0..1200).map(|_| rng.random_range(0..image.len())).collect::<Vec<_>>() {
        image[at] ^= 1;
        fs::write(&path, &image).unwrap();
        fs::write(folder.path("sealed.seals"), &seals).unwrap();
        let whole = Vault::open(&path, &unlock("right")).and_then(|vault| check(&vault));
        fs::write(&path, &image).unwrap();
        fs::write(folder.path("sealed.seals"), &seals).unwrap();
        image[at] ^= 1;
        let opening = Vault::open(&path, &unlock("right"));
        opened += usize::from(opening.is_ok());
        let all = opening.and_then(|vault| Ok((Contents::of(&vault)?, vault)));
        read += usize::from(all.is_ok());
        assert!(whole.is_err() || all.is_ok(), "byte {at}: the check of the whole missed it");
        let changed = all.and_then(|(contents, vault)| {
            assert!(contents == original, "byte {at}: other contents");
            vault.write(|tx| tx.append(EVENTS, &body(7)))?;
            let mut contents = Contents::of(&vault)?;
            assert!(contents.events.pop().is_some_and(|(_, last)| last == body(7)), "byte {at}");
            assert!(contents == original, "byte {at}: other contents after a change");
            Ok(())
        });
        if let Err(error) = changed {
            assert!(error.to_string().contains(&*path.to_string_lossy()), "byte {at}: {error}");
            refused += 1;
        }
    }
    assert!(opened > read && read > 200 && refused > 200, "{opened} {read} {refused}");
}

/// Seals of another moment are not believed, whatever they are of.
#[test]
fn seals_of_another_moment_do_not_count() {
    let Specimen { folder, original, died, ended, seals } = Specimen::new("moment");
    let path = folder.path("moment");
    let open = || Vault::open(&path, &unlock("right"));
    for image in [&died, &ended] {
        fs::write(&path, image).unwrap();
        fs::write(folder.path("moment.seals"), &seals).unwrap();
        let vault = open().unwrap();
        assert!(Contents::of(&vault).unwrap() == original);
        vault.write(|tx| tx.append(EVENTS, &body(8))).unwrap();
        drop(vault);
        fs::write(folder.path("moment.seals"), &seals).unwrap();
        let again = open().unwrap();
        let events = Contents::of(&again).unwrap().events;
        assert!(events.last().is_some_and(|(_, last)| *last == body(8)));
    }
}

#[test]
fn a_flipped_byte_is_reported_or_changes_nothing() {
    let Specimen { folder, original, died, ended, .. } = Specimen::new("flipped");
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    for (image, name) in [(ended, "ended"), (died, "died")] {
        let mut tally = Tally::default();
        let path = folder.path(name);
        // The head, with its headers and anchors; redb's header, with its commit slots; the rest.
        let anywhere: Vec<_> = (0..600).map(|_| rng.random_range(0..image.len())).collect();
        let offsets = (0..8192).step_by(24).chain(8192..8192 + 320).chain(anywhere);
        tally.flip_each(&path, &image, &original, rng, offsets);
        assert!(tally.refused > 200 && tally.intact > 200, "{name}: {tally:?}");
    }
}

#[test]
fn a_lost_sector_is_reported_or_changes_nothing() {
    let Specimen { folder, original, died: image, .. } = Specimen::new("sectors");
    let mut tally = Tally::default();
    for at in (0..image.len() - 511).step_by(512) {
        let mut image = image.clone();
        image[at..at + 512].fill(0);
        tally.try_image(&folder.path("lost"), &image, &original, &format!("sector at {at}"));
    }
    assert!(tally.refused > 100 && tally.intact > 20, "{tally:?}");
}

#[test]
fn a_cut_or_lengthened_file_is_reported_or_whole() {
    let Specimen { folder, original, ended: image, .. } = Specimen::new("cut");
    let mut tally = Tally::default();
    let path = folder.path("cut");
    for len in (0..image.len()).step_by(image.len() / 40).chain([8191, 8192, 8193, 12_288]) {
        tally.try_image(&path, &image[..len], &original, &format!("cut to {len}"));
    }
    assert_eq!(tally.intact, 0, "{tally:?}");
    for more in [1, 4096, 100_000] {
        let longer = [&image[..], &vec![0; more]].concat();
        tally.try_image(&path, &longer, &original, &format!("{more} more"));
    }
}
