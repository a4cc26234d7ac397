//! The body of the fuzz target of this part, and a small sound model for it. Compiled with the library, so that it never
//! rots; of no use to the server.

use std::io::{Cursor, Read as _};

use super::check::{ModelFault, check};
use super::shape::Numbers;

/// Numbers of the smallest model that passes.
const SMALLEST: [i32; 11] = [50_364, 64, 32, 1, 1, 64, 32, 1, 1, 80, 2_008];

/// A sound model of the smallest shape, all weights zero.
#[must_use]
pub fn smallest() -> Vec<u8> {
    let mut file = 0x6767_6d6c_u32.to_le_bytes().to_vec();
    let mut put = |number: i32| file.extend(number.to_le_bytes());
    SMALLEST.into_iter().for_each(&mut put);
    put(80);
    put(201);
    (0..80 * 201).for_each(|_| put(0));
    put(1);
    put(1);
    file.push(b' ');
    let Ok(numbers) = Numbers::new(SMALLEST) else {
        return Vec::new();
    };
    for (name, tensor) in numbers.tensors() {
        let dimensions = tensor.dimensions as usize;
        let head = [
            tensor.dimensions as i32,
            name.len() as i32,
            tensor.kind.code,
        ];
        let extents = tensor
            .extents
            .iter()
            .take(dimensions)
            .map(|extent| *extent as i32);
        for number in head.into_iter().chain(extents) {
            file.extend(number.to_le_bytes());
        }
        file.extend(name.as_bytes());
        file.resize(file.len() + tensor.bytes() as usize, 0);
    }
    file
}

/// Reads bytes as a model, and a sound model with those bytes in it somewhere.
///
/// # Panics
/// Panics when more was read than there is, or a file with other counts passed.
#[expect(clippy::panic, reason = "a fuzz target reports by panicking")]
pub fn fuzz_model(bytes: &[u8]) {
    if let Ok(found) = check(bytes)
        && found.size != bytes.len() as u64
    {
        panic!("{} of {} bytes were read", found.size, bytes.len());
    }
    let (Some(at), Some(new)) = (bytes.first_chunk::<4>(), bytes.get(4..)) else {
        return;
    };
    thread_local! { static SOUND: Vec<u8> = smallest(); }
    SOUND.with(|sound| {
        // Of the weights, which any value fits, not much: they are most of the file.
        let at = u32::from_le_bytes(*at) as usize % 70_000;
        let before = sound.get(..at).unwrap_or(sound);
        let after = sound.get(at + new.len()..).unwrap_or(&[]);
        let file = Cursor::new(before).chain(new).chain(after);
        let length = (before.len() + new.len() + after.len()) as u64;
        match check(file) {
            Ok(found) if found.size != length || length != sound.len() as u64 => {
                panic!("a file of another length passed");
            }
            Err(ModelFault::Unreadable(kind)) => panic!("memory cannot fail: {kind}"),
            _ => {}
        }
    });
}
