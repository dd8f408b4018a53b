"""How an image was acquired, as a sidecar tells it: facts of an allow-list, none of a person.

What dcm2niix calls anonymous still has addresses, serial numbers, times and free text. So only
what is named here is passed on: numbers, and words without blanks that name equipment and method.
"""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

WORDS = (  # as BIDS and dcm2niix call them
    *("Manufacturer", "ManufacturersModelName", "MRAcquisitionType", "ScanningSequence"),
    *("SequenceVariant", "SequenceName", "PulseSequenceType", "ConvolutionKernel"),
    *("ReconMethodName", "Units", "DecayCorrection", "TracerRadionuclide", "PhaseEncodingAxis"),
)
PRODUCTS = ("Manufacturer", "ManufacturersModelName")
NUMBERS = (
    *("MagneticFieldStrength", "EchoTime", "RepetitionTime", "InversionTime", "FlipAngle"),
    *("EchoTrainLength", "NumberOfAverages", "PixelBandwidth", "ParallelReductionFactorInPlane"),
    *("PartialFourier", "SliceThickness", "SpacingBetweenSlices", "KVP", "XRayTubeCurrent"),
    *("XRayExposure", "ExposureTime", "CTDIvol", "SpiralPitchFactor", "FrameDuration"),
)
# Suffixes of BIDS file names that say what an image shows; another word could be anything.
SUFFIXES = (
    *("T1w", "T2w", "T1rho", "T2star", "T2starw", "PDw", "PDT2", "FLAIR", "FLASH", "inplaneT1"),
    *("inplaneT2", "UNIT1", "MP2RAGE", "angio", "SWI", "swi", "bold", "sbref", "dwi", "asl", "epi"),
    *("ct", "pet"),
)
# Terms of Body Part Examined (PS3.16 annex L); another word could be anybody's name.
_TERMS = """
    abdomen abdomenpelvis adrenal ankle aorta aorticarch back bladder brain breast calf carotid
    cerebellum chest chestabdomen chestabdpelvis circleofwillis clavicle coccyx colon coronaryartery
    cspine ctspine ear elbow esophagus extremity eye face femur fibula finger foot forearm
    gallbladder hand head headneck heart hip humerus iac jaw kidney knee larynx liver lowerleg
    lowerlimb lspine lsspine lung mandible maxilla mediastinum neck neckchest neckchestabdomen
    neckchestabdpelv nose orbit ovary pancreas parotid pelvis phantom pharynx placenta prostate
    radius radiusulna rectum retroperitoneum rib scapula sella shoulder sijoint skull spinalcord
    spine spleen sspine sternum stomach testis thigh thoracicaorta thorax thumb thymus thyroid tibia
    tibiafibula tlspine tmj toe tongue trachea trunk tspine ulna upperarm upperlimb uterus
    wholebody wrist
"""
BODY_PARTS = frozenset(_TERMS.split())
_WORD = re.compile(r"[A-Za-z0-9*._+/\\-]{1,32}")


def allowed(stated: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a sidecar that may be passed on."""
    plain = {**stated, **{name: _joined(stated.get(name)) for name in PRODUCTS}}
    words = {name: word for name in WORDS if (word := _word(plain.get(name)))}
    numbers = {name: stated[name] for name in NUMBERS if _is_number(stated.get(name))}
    return {**words, **numbers}


def body_part(stated: str) -> str:
    """A term of Body Part Examined in lower case; ``""`` for any other word."""
    return stated.lower() if stated.lower() in BODY_PARTS else ""


def suffix_of(words: object) -> str:
    """The BIDS suffix that ends a file's stem, or what dcm2niix guesses; ``""`` for any other."""
    last = str(words[-1] if isinstance(words, list) and words else words or "").split("_")[-1]
    return last if last in SUFFIXES else ""


def _word(value: object) -> str:
    """A word that hardly names a person: it has neither blank nor caret."""
    text = value.strip() if isinstance(value, str) else ""
    return text if _WORD.fullmatch(text) else ""


def _joined(value: object) -> str:
    """The name of a product in one word."""
    return value.strip().replace(" ", "-") if isinstance(value, str) else ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
