//! A card as a QR code: drawn in the terminal, or as a picture.

use qrcode::render::{svg, unicode::Dense1x2};
use qrcode::{EcLevel, QrCode};

use crate::error::CommandError;

/// A QR code of a text.
pub(crate) struct Picture(QrCode);

impl Picture {
    /// Draws a text. The least correction of errors (7 %) keeps the code small: on a screen nothing
    /// is lost to dirt, and the card has a checksum of its own.
    pub(crate) fn of(text: &str) -> Result<Self, CommandError> {
        let code = QrCode::with_error_correction_level(text, EcLevel::L);
        code.map(Self).map_err(|why| CommandError::Usage(format!("no QR code holds this: {why}")))
    }

    /// Columns that the code takes in a terminal, with its quiet zone.
    pub(crate) fn columns(&self) -> usize {
        self.0.width() + 2 * QUIET
    }

    /// The code in block letters, two rows of it in a line: black on white, whatever the terminal's
    /// own colours are.
    pub(crate) fn coloured(&self) -> String {
        let lines = self.blocks(Dense1x2::Dark, Dense1x2::Light);
        lines.lines().map(|line| format!("\x1b[30;107m{line}\x1b[0m\n")).collect()
    }

    /// The code in block letters for a place with light letters on dark, as most terminals have.
    pub(crate) fn plain(&self) -> String {
        let mut lines = self.blocks(Dense1x2::Light, Dense1x2::Dark);
        lines.push('\n');
        lines
    }

    /// The code as a picture in SVG.
    pub(crate) fn svg(&self) -> String {
        self.0.render::<svg::Color<'_>>().module_dimensions(SIDE, SIDE).build()
    }

    /// `Dark` is a letter's own colour in this crate, `Light` that of its ground.
    fn blocks(&self, dark: Dense1x2, light: Dense1x2) -> String {
        self.0.render::<Dense1x2>().dark_color(dark).light_color(light).build()
    }
}

/// Modules of a code's quiet zone, on each side (ISO/IEC 18004, 5.3.8).
const QUIET: usize = 4;
/// Side of a module in a picture.
const SIDE: u32 = 6;
