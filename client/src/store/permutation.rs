//! A permutation of the numbers below a count that follows from a key: an order of very many, of
//! which no list is kept.

/// The number at `index` of the permutation; below `count`, as `index` is.
///
/// `F(key)` applied until the result is below `count`, with `F` a Feistel network whose round
/// function is keyed BLAKE3: cycle walking (Black and Rogaway, Ciphers with Arbitrary Finite Domains,
/// CT-RSA 2002).
pub(super) fn permuted(key: &[u8; 32], count: u32, index: u32) -> u32 {
    let half = (u32::BITS - count.saturating_sub(1).leading_zeros()).div_ceil(2);
    let mut at = u64::from(index);
    loop {
        at = feistel(key, half, at);
        match u32::try_from(at) {
            Ok(at) if at < count || count == 0 => return at,
            _ => {}
        }
    }
}

/// Permutes the numbers of twice `half` bits.
fn feistel(key: &[u8; 32], half: u32, at: u64) -> u64 {
    let mask = (1 << half) - 1;
    let (mut left, mut right) = (at >> half, at & mask);
    for round in 0..ROUNDS {
        let mut input = [round; 9];
        input[1..].copy_from_slice(&right.to_be_bytes());
        let [a, b, c, d, ..] = *blake3::keyed_hash(key, &input).as_bytes();
        let drawn = u64::from(u32::from_be_bytes([a, b, c, d])) & mask;
        (left, right) = (right, left ^ drawn);
    }
    left << half | right
}

/// Rounds of the network: four make it a permutation that is hard to tell from a drawn one (Luby and
/// Rackoff), more help where the halves have few bits.
const ROUNDS: u8 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_once() {
        for count in [1, 2, 3, 5, 64, 65, 1000, 4097] {
            let mut all: Vec<_> = (0..count).map(|at| permuted(&[7; 32], count, at)).collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..count), "{count}");
        }
    }

    /// Checks that over many keys each number comes at each place as often as by chance.
    #[test]
    fn no_number_has_a_place_of_its_own() {
        const COUNT: u32 = 6;
        const KEYS: u32 = 6000;
        let mut seen = [[0_u32; COUNT as usize]; COUNT as usize];
        for key in 0..KEYS {
            let key = *blake3::hash(&key.to_be_bytes()).as_bytes();
            for (at, counts) in (0..).zip(&mut seen) {
                counts[permuted(&key, COUNT, at) as usize] += 1;
            }
        }
        // A thousand are expected at each of 36 places; their standard deviation is 29.
        let usual = |count: &u32| (1000 - 130..1000 + 130).contains(count);
        assert!(seen.iter().flatten().all(usual), "{seen:?}");
    }
}
