//! Pictures of people. What was sent is decoded under limits and drawn anew: a small square in one format, without
//! anything else that was in the file. Nothing is ever fetched from an address.
//!
//! Decoding is work that a stranger asks for, so it is done off the async threads, one at a time for accounts and one for
//! guests, and few may wait.

use std::io::Cursor;
use std::sync::Arc;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The largest file that is looked at.
pub const MAX_BYTES: usize = 2 * 1024 * 1024;
/// What every picture is served as.
pub const CONTENT_TYPE: &str = "image/jpeg";
/// Width and height of a picture that is kept.
const SIDE: u32 = 256;
/// The longest side that is decoded.
const MAX_SIDE: u32 = 8192;
/// The most pixels that are decoded: 4096 × 3072. With `MAX_SIDE` it bounds time, and with `MAX_MEMORY` space.
const MAX_PIXELS: u64 = 4096 * 3072;
/// What a decoder may allocate, the decoded picture included.
const MAX_MEMORY: u64 = 96 * 1024 * 1024;
/// A square of this size comes to 20 KiB or so; noise to less than this.
const MAX_DRAWN: usize = 128 * 1024;
const QUALITY: u8 = 85;
/// What stands behind a picture that lets something through.
const PAPER: u8 = 0xff;
/// Pictures that may wait while one is decoded. They are in memory meanwhile.
const QUEUE: usize = 8;

/// Why a picture was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PictureError {
    /// It is no PNG, JPEG, WebP or GIF, or a damaged one.
    #[error("that is no picture")]
    NotAPicture,
    /// It would take too much to decode.
    #[error("the picture is too large")]
    TooLarge,
    /// Too many are waiting.
    #[error("too many pictures at this moment")]
    Busy,
}

/// A picture as it is kept and served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portrait(Vec<u8>);

impl Portrait {
    /// Reads and draws anew.
    ///
    /// # Errors
    /// `NotAPicture` or `TooLarge`.
    pub fn read(bytes: &[u8]) -> Result<Self, PictureError> {
        if bytes.len() > MAX_BYTES {
            return Err(PictureError::TooLarge);
        }
        let square = square(&decode(bytes)?).resize_exact(SIDE, SIDE, FilterType::Triangle);
        draw(&on_paper(&square))
    }

    /// The file.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whose picture it is: a flood of guests does not hold up accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Someone signed in.
    Accounts,
    /// Anyone.
    Guests,
}

/// Reads pictures, a few at a time.
#[derive(Debug)]
pub struct Painter {
    accounts: Gate,
    guests: Gate,
}

#[derive(Debug)]
struct Gate {
    turn: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

/// A place in the queue. It is taken before a picture is received, so that few are in memory.
#[derive(Debug)]
pub struct Place {
    turn: Arc<Semaphore>,
    held: OwnedSemaphorePermit,
}

impl Default for Painter {
    fn default() -> Self {
        Self {
            accounts: Gate::new(),
            guests: Gate::new(),
        }
    }
}

impl Gate {
    fn new() -> Self {
        Self {
            turn: Arc::new(Semaphore::new(1)),
            queue: Arc::new(Semaphore::new(QUEUE)),
        }
    }
}

impl Painter {
    /// A place in the queue.
    ///
    /// # Errors
    /// `Busy` when there is none.
    pub fn place(&self, lane: Lane) -> Result<Place, PictureError> {
        let gate = match lane {
            Lane::Accounts => &self.accounts,
            Lane::Guests => &self.guests,
        };
        let held = gate.queue.clone().try_acquire_owned();
        Ok(Place {
            turn: gate.turn.clone(),
            held: held.map_err(|_| PictureError::Busy)?,
        })
    }
}

impl Place {
    /// Reads a picture when its turn comes.
    ///
    /// # Errors
    /// As [`Portrait::read`].
    pub async fn read(self, bytes: Vec<u8>) -> Result<Portrait, PictureError> {
        let Self { turn, held } = self;
        let turn = turn.acquire_owned().await.map_err(|_| PictureError::Busy)?;
        let work = tokio::task::spawn_blocking(move || {
            let portrait = Portrait::read(&bytes);
            // Held to the end of the work even when nobody waits for it any more.
            drop((turn, held));
            portrait
        });
        // A decoder that gives up in the middle has met a file that is none.
        work.await.unwrap_or(Err(PictureError::NotAPicture))
    }
}

/// The first frame, the right way up. The format is what the bytes are, whatever they were called.
fn decode(bytes: &[u8]) -> Result<DynamicImage, PictureError> {
    let format = image::guess_format(bytes).map_err(|_| PictureError::NotAPicture)?;
    if !matches!(
        format,
        ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP | ImageFormat::Gif
    ) {
        return Err(PictureError::NotAPicture);
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(refused)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width).saturating_mul(height.into()) > MAX_PIXELS {
        return Err(PictureError::TooLarge);
    }
    limits.reserve(decoder.total_bytes()).map_err(refused)?;
    decoder.set_limits(limits).map_err(refused)?;
    // Where the camera says which way is up, that is the one thing heard of what it says.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(refused)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn refused(error: image::ImageError) -> PictureError {
    match error {
        image::ImageError::Limits(_) => PictureError::TooLarge,
        _ => PictureError::NotAPicture,
    }
}

/// The middle. It is cut out before it is scaled: a strip would grow to thousands of times its size the other way round.
fn square(picture: &DynamicImage) -> DynamicImage {
    let (width, height) = (picture.width(), picture.height());
    let side = width.min(height);
    let middle = |length: u32| length.saturating_sub(side).div_euclid(2);
    picture.crop_imm(middle(width), middle(height), side, side)
}

/// The same without transparency, which would let the colours of a page through.
fn on_paper(picture: &DynamicImage) -> RgbImage {
    let seen = picture.to_rgba8();
    let mut drawn = RgbImage::new(seen.width(), seen.height());
    for (to, from) in drawn.pixels_mut().zip(seen.pixels()) {
        let [red, green, blue, alpha] = from.0;
        let over = |ink: u8| {
            let alpha = u16::from(alpha);
            let mixed = u16::from(ink)
                .saturating_mul(alpha)
                .saturating_add(u16::from(PAPER).saturating_mul(255_u16.saturating_sub(alpha)));
            u8::try_from(mixed.div_euclid(255)).unwrap_or(PAPER)
        };
        *to = Rgb([over(red), over(green), over(blue)]);
    }
    drawn
}

fn draw(picture: &RgbImage) -> Result<Portrait, PictureError> {
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, QUALITY)
        .encode_image(picture)
        .map_err(|_| PictureError::NotAPicture)?;
    if file.len() > MAX_DRAWN {
        return Err(PictureError::TooLarge);
    }
    Ok(Portrait(file))
}

/// Whether this is a file as it is drawn here: nothing but the markers of a plain picture, to its end. For fuzzing and tests.
#[doc(hidden)]
pub fn is_ours(file: &[u8]) -> bool {
    let mut rest = match file {
        [0xff, 0xd8, rest @ ..] => rest,
        _ => return false,
    };
    // Each segment says its length. Tables, frame and JFIF; never comments or what applications add.
    while let [0xff, marker, high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        match marker {
            0xe0 | 0xdb | 0xc0 | 0xc4 => {}
            // The scan: what follows is the picture itself, to the one marker of its end.
            0xda => {
                return file.len() <= MAX_DRAWN
                    && file.ends_with(&[0xff, 0xd9])
                    && after
                        .windows(2)
                        .filter(|pair| matches!(pair, [0xff, second] if *second != 0))
                        .count()
                        == 1;
            }
            _ => return false,
        }
        match length.checked_sub(2).and_then(|skip| after.get(skip..)) {
            Some(next) => rest = next,
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a decoder of this format makes of a picture of ours.
    fn file(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// Left half red, right half blue.
    fn halves(width: u32, height: u32) -> DynamicImage {
        let draw = |x, _| {
            if x < width / 2 {
                Rgb([220, 20, 20])
            } else {
                Rgb([20, 20, 220])
            }
        };
        RgbImage::from_fn(width, height, draw).into()
    }

    fn shown(portrait: &Portrait) -> RgbImage {
        image::load_from_memory_with_format(portrait.as_bytes(), ImageFormat::Jpeg)
            .unwrap()
            .into_rgb8()
    }

    fn is_red(picture: &RgbImage, x: u32, y: u32) -> bool {
        let [red, _, blue] = picture.get_pixel(x, y).0;
        red > 150 && blue < 100
    }

    #[test]
    fn each_format_becomes_the_same_small_square() {
        for format in [
            ImageFormat::Png,
            ImageFormat::Jpeg,
            ImageFormat::WebP,
            ImageFormat::Gif,
        ] {
            let portrait = Portrait::read(&file(&halves(600, 400), format)).unwrap();
            assert!(is_ours(portrait.as_bytes()));
            assert!(!is_ours(&[portrait.as_bytes(), b"<script>"].concat()));
            let shown = shown(&portrait);
            assert_eq!(shown.dimensions(), (SIDE, SIDE));
            assert!(is_red(&shown, 30, 128), "{format:?}");
            assert!(!is_red(&shown, 226, 128), "{format:?}");
        }
    }

    #[test]
    fn what_lets_something_through_is_drawn_on_paper() {
        let clear = DynamicImage::from(image::RgbaImage::from_pixel(
            10,
            10,
            image::Rgba([0, 0, 0, 0]),
        ));
        let shown = shown(&Portrait::read(&file(&clear, ImageFormat::Png)).unwrap());
        assert!(shown.pixels().all(|pixel| pixel.0 == [PAPER; 3]));
    }

    #[test]
    fn a_strip_is_cut_before_it_is_scaled() {
        for (width, height) in [(8192, 1), (1, 8192), (1, 1)] {
            let strip = file(&halves(width, height), ImageFormat::Png);
            let shown = shown(&Portrait::read(&strip).unwrap());
            assert_eq!(shown.dimensions(), (SIDE, SIDE));
        }
    }

    #[test]
    fn what_was_drawn_is_taken_again() {
        let portrait = Portrait::read(&file(&halves(600, 400), ImageFormat::Png)).unwrap();
        assert!(Portrait::read(portrait.as_bytes()).is_ok());
    }

    #[test]
    fn noise_fits_too() {
        let mut state = 1_u32;
        let noise = RgbImage::from_fn(256, 256, |_, _| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [a, b, c, _] = state.to_be_bytes();
            Rgb([a, b, c])
        });
        let portrait = Portrait::read(&file(&noise.into(), ImageFormat::Png)).unwrap();
        assert!(portrait.as_bytes().len() <= MAX_DRAWN);
    }

    #[test]
    fn p05_what_is_no_picture_is_refused() {
        let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
        let html = b"<!doctype html><script>alert(1)</script>";
        let mut bitmap = b"BM".to_vec();
        bitmap.resize(200, 0);
        for bytes in [
            svg.as_slice(),
            html,
            &bitmap,
            b"",
            b"\x89PNG\r\n\x1a\n",
            b"GIF89a",
        ] {
            assert_eq!(Portrait::read(bytes), Err(PictureError::NotAPicture));
        }
    }

    #[test]
    fn p05_a_picture_that_would_grow_is_refused_before_it_does() {
        // 31 bytes that ask for a canvas of 65535 × 65535.
        let gif = [
            b"GIF89a".as_slice(),
            &[0xff, 0xff, 0xff, 0xff, 0, 0, 0],
            &[0x2c, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0],
            &[2, 4, 0x84, 0x8f, 0xa9, 0xcb, 0, 0x3b],
        ]
        .concat();
        assert_eq!(gif.len(), 31);
        assert_eq!(Portrait::read(&gif), Err(PictureError::TooLarge));
        assert_eq!(
            Portrait::read(&vec![0; MAX_BYTES + 1]),
            Err(PictureError::TooLarge)
        );
        // A true picture of many pixels in few bytes.
        let flat = DynamicImage::from(image::GrayImage::new(4096, 3073));
        assert_eq!(
            Portrait::read(&file(&flat, ImageFormat::Png)),
            Err(PictureError::TooLarge)
        );
        let just = DynamicImage::from(image::GrayImage::new(4096, 3072));
        assert!(Portrait::read(&file(&just, ImageFormat::Png)).is_ok());
    }

    #[tokio::test]
    async fn few_wait_and_guests_do_not_hold_up_accounts() {
        let painter = Painter::default();
        let places: Vec<_> = (0..QUEUE)
            .map(|_| painter.place(Lane::Guests).unwrap())
            .collect();
        assert_eq!(
            painter.place(Lane::Guests).map(drop),
            Err(PictureError::Busy)
        );
        let bytes = file(&halves(20, 20), ImageFormat::Png);
        let ours = painter.place(Lane::Accounts).unwrap();
        assert!(ours.read(bytes).await.is_ok());
        drop(places);
        assert!(painter.place(Lane::Guests).is_ok());
    }
}
