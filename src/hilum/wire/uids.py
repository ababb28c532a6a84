"""The unique identifiers that the gateway knows by name, and its own.

Source: PS3.6 Annex A; PS3.4 B.5, GG.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from hilum.model import Uid

#: The edition that every ``Source:`` of this package speaks of.
DICOM_EDITION: Final = "2025b"

#: Ours: a UUID made once, in the form of PS3.5 B.2. Another number means another implementation to a peer's log.
IMPLEMENTATION_CLASS_UID: Final = Uid("2.25.119441565508031780988038722712964776195")
#: 1-16 characters. Source: PS3.7 D.3.3.2.
IMPLEMENTATION_VERSION_NAME: Final = "HILUM_0_1"

APPLICATION_CONTEXT: Final = Uid("1.2.840.10008.3.1.1.1")
VERIFICATION: Final = Uid("1.2.840.10008.1.1")
STORAGE_SERVICE_CLASS: Final = Uid("1.2.840.10008.4.2")

IMPLICIT_LE: Final = Uid("1.2.840.10008.1.2")
EXPLICIT_LE: Final = Uid("1.2.840.10008.1.2.1")
DEFLATED_LE: Final = Uid("1.2.840.10008.1.2.1.99")
EXPLICIT_BE: Final = Uid("1.2.840.10008.1.2.2")
#: In our order of preference where a preference is ours to have.
UNCOMPRESSED: Final = (EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE)

_UID: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_STANDARD_ROOT: Final = "1.2.840.10008."
_STORAGE_ROOT: Final = "1.2.840.10008.5.1.4.1.1."

#: Below the storage root, but queries, retrievals and creations. Source: PS3.6 Table A-1.
_NOT_STORAGE: Final = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.200.4",  # Protocol Approval: FIND, MOVE, GET
        "1.2.840.10008.5.1.4.1.1.200.5",
        "1.2.840.10008.5.1.4.1.1.200.6",
        "1.2.840.10008.5.1.4.1.1.201.2",  # Inventory: FIND, MOVE, GET, creation
        "1.2.840.10008.5.1.4.1.1.201.3",
        "1.2.840.10008.5.1.4.1.1.201.4",
        "1.2.840.10008.5.1.4.1.1.201.5",
        "1.2.840.10008.5.1.4.1.1.201.6",  # Repository Query
    }
)

_STORAGE_NAMES: Final[Mapping[str, str]] = {
    "1.2.840.10008.5.1.1.27": "StoredPrintStorage",
    "1.2.840.10008.5.1.1.29": "HardcopyGrayscaleImageStorage",
    "1.2.840.10008.5.1.1.30": "HardcopyColorImageStorage",
    "1.2.840.10008.5.1.4.1.1.1": "ComputedRadiographyImageStorage",
    "1.2.840.10008.5.1.4.1.1.1.1": "DigitalXRayImageStorageForPresentation",
    "1.2.840.10008.5.1.4.1.1.1.1.1": "DigitalXRayImageStorageForProcessing",
    "1.2.840.10008.5.1.4.1.1.1.2": "DigitalMammographyXRayImageStorageForPresentation",
    "1.2.840.10008.5.1.4.1.1.1.2.1": "DigitalMammographyXRayImageStorageForProcessing",
    "1.2.840.10008.5.1.4.1.1.1.3": "DigitalIntraOralXRayImageStorageForPresentation",
    "1.2.840.10008.5.1.4.1.1.1.3.1": "DigitalIntraOralXRayImageStorageForProcessing",
    "1.2.840.10008.5.1.4.1.1.2": "CTImageStorage",
    "1.2.840.10008.5.1.4.1.1.2.1": "EnhancedCTImageStorage",
    "1.2.840.10008.5.1.4.1.1.2.2": "LegacyConvertedEnhancedCTImageStorage",
    "1.2.840.10008.5.1.4.1.1.3": "UltrasoundMultiFrameImageStorageRetired",
    "1.2.840.10008.5.1.4.1.1.3.1": "UltrasoundMultiFrameImageStorage",
    "1.2.840.10008.5.1.4.1.1.4": "MRImageStorage",
    "1.2.840.10008.5.1.4.1.1.4.1": "EnhancedMRImageStorage",
    "1.2.840.10008.5.1.4.1.1.4.2": "MRSpectroscopyStorage",
    "1.2.840.10008.5.1.4.1.1.4.3": "EnhancedMRColorImageStorage",
    "1.2.840.10008.5.1.4.1.1.4.4": "LegacyConvertedEnhancedMRImageStorage",
    "1.2.840.10008.5.1.4.1.1.5": "NuclearMedicineImageStorageRetired",
    "1.2.840.10008.5.1.4.1.1.6": "UltrasoundImageStorageRetired",
    "1.2.840.10008.5.1.4.1.1.6.1": "UltrasoundImageStorage",
    "1.2.840.10008.5.1.4.1.1.6.2": "EnhancedUSVolumeStorage",
    "1.2.840.10008.5.1.4.1.1.6.3": "PhotoacousticImageStorage",
    "1.2.840.10008.5.1.4.1.1.7": "SecondaryCaptureImageStorage",
    "1.2.840.10008.5.1.4.1.1.7.1": "MultiFrameSingleBitSecondaryCaptureImageStorage",
    "1.2.840.10008.5.1.4.1.1.7.2": "MultiFrameGrayscaleByteSecondaryCaptureImageStorage",
    "1.2.840.10008.5.1.4.1.1.7.3": "MultiFrameGrayscaleWordSecondaryCaptureImageStorage",
    "1.2.840.10008.5.1.4.1.1.7.4": "MultiFrameTrueColorSecondaryCaptureImageStorage",
    "1.2.840.10008.5.1.4.1.1.8": "StandaloneOverlayStorage",
    "1.2.840.10008.5.1.4.1.1.9": "StandaloneCurveStorage",
    "1.2.840.10008.5.1.4.1.1.9.1": "WaveformStorageTrial",
    "1.2.840.10008.5.1.4.1.1.9.1.1": "TwelveLeadECGWaveformStorage",
    "1.2.840.10008.5.1.4.1.1.9.1.2": "GeneralECGWaveformStorage",
    "1.2.840.10008.5.1.4.1.1.9.1.3": "AmbulatoryECGWaveformStorage",
    "1.2.840.10008.5.1.4.1.1.9.1.4": "General32bitECGWaveformStorage",
    "1.2.840.10008.5.1.4.1.1.9.2.1": "HemodynamicWaveformStorage",
    "1.2.840.10008.5.1.4.1.1.9.3.1": "CardiacElectrophysiologyWaveformStorage",
    "1.2.840.10008.5.1.4.1.1.9.4.1": "BasicVoiceAudioWaveformStorage",
    "1.2.840.10008.5.1.4.1.1.9.4.2": "GeneralAudioWaveformStorage",
    "1.2.840.10008.5.1.4.1.1.9.5.1": "ArterialPulseWaveformStorage",
    "1.2.840.10008.5.1.4.1.1.9.6.1": "RespiratoryWaveformStorage",
    "1.2.840.10008.5.1.4.1.1.9.6.2": "MultichannelRespiratoryWaveformStorage",
    "1.2.840.10008.5.1.4.1.1.9.7.1": "RoutineScalpElectroencephalogramWaveformStorage",
    "1.2.840.10008.5.1.4.1.1.9.7.2": "ElectromyogramWaveformStorage",
    "1.2.840.10008.5.1.4.1.1.9.7.3": "ElectrooculogramWaveformStorage",
    "1.2.840.10008.5.1.4.1.1.9.7.4": "SleepElectroencephalogramWaveformStorage",
    "1.2.840.10008.5.1.4.1.1.9.8.1": "BodyPositionWaveformStorage",
    "1.2.840.10008.5.1.4.1.1.9.100.1": "WaveformPresentationStateStorage",
    "1.2.840.10008.5.1.4.1.1.9.100.2": "WaveformAcquisitionPresentationStateStorage",
    "1.2.840.10008.5.1.4.1.1.10": "StandaloneModalityLUTStorage",
    "1.2.840.10008.5.1.4.1.1.11": "StandaloneVOILUTStorage",
    "1.2.840.10008.5.1.4.1.1.11.1": "GrayscaleSoftcopyPresentationStateStorage",
    "1.2.840.10008.5.1.4.1.1.11.2": "ColorSoftcopyPresentationStateStorage",
    "1.2.840.10008.5.1.4.1.1.11.3": "PseudoColorSoftcopyPresentationStateStorage",
    "1.2.840.10008.5.1.4.1.1.11.4": "BlendingSoftcopyPresentationStateStorage",
    "1.2.840.10008.5.1.4.1.1.11.5": "XAXRFGrayscaleSoftcopyPresentationStateStorage",
    "1.2.840.10008.5.1.4.1.1.11.6": "GrayscalePlanarMPRVolumetricPresentationStateStorage",
    "1.2.840.10008.5.1.4.1.1.11.7": "CompositingPlanarMPRVolumetricPresentationStateStorage",
    "1.2.840.10008.5.1.4.1.1.11.8": "AdvancedBlendingPresentationStateStorage",
    "1.2.840.10008.5.1.4.1.1.11.9": "VolumeRenderingVolumetricPresentationStateStorage",
    "1.2.840.10008.5.1.4.1.1.11.10": "SegmentedVolumeRenderingVolumetricPresentationStateStorage",
    "1.2.840.10008.5.1.4.1.1.11.11": "MultipleVolumeRenderingVolumetricPresentationStateStorage",
    "1.2.840.10008.5.1.4.1.1.11.12": "VariableModalityLUTSoftcopyPresentationStateStorage",
    "1.2.840.10008.5.1.4.1.1.12.1": "XRayAngiographicImageStorage",
    "1.2.840.10008.5.1.4.1.1.12.1.1": "EnhancedXAImageStorage",
    "1.2.840.10008.5.1.4.1.1.12.2": "XRayRadiofluoroscopicImageStorage",
    "1.2.840.10008.5.1.4.1.1.12.2.1": "EnhancedXRFImageStorage",
    "1.2.840.10008.5.1.4.1.1.12.3": "XRayAngiographicBiPlaneImageStorage",
    "1.2.840.10008.5.1.4.1.1.13.1.1": "XRay3DAngiographicImageStorage",
    "1.2.840.10008.5.1.4.1.1.13.1.2": "XRay3DCraniofacialImageStorage",
    "1.2.840.10008.5.1.4.1.1.13.1.3": "BreastTomosynthesisImageStorage",
    "1.2.840.10008.5.1.4.1.1.13.1.4": "BreastProjectionXRayImageStorageForPresentation",
    "1.2.840.10008.5.1.4.1.1.13.1.5": "BreastProjectionXRayImageStorageForProcessing",
    "1.2.840.10008.5.1.4.1.1.14.1": "IntravascularOpticalCoherenceTomographyImageStorageForPresentation",
    "1.2.840.10008.5.1.4.1.1.14.2": "IntravascularOpticalCoherenceTomographyImageStorageForProcessing",
    "1.2.840.10008.5.1.4.1.1.20": "NuclearMedicineImageStorage",
    "1.2.840.10008.5.1.4.1.1.30": "ParametricMapStorage",
    "1.2.840.10008.5.1.4.1.1.66": "RawDataStorage",
    "1.2.840.10008.5.1.4.1.1.66.1": "SpatialRegistrationStorage",
    "1.2.840.10008.5.1.4.1.1.66.2": "SpatialFiducialsStorage",
    "1.2.840.10008.5.1.4.1.1.66.3": "DeformableSpatialRegistrationStorage",
    "1.2.840.10008.5.1.4.1.1.66.4": "SegmentationStorage",
    "1.2.840.10008.5.1.4.1.1.66.5": "SurfaceSegmentationStorage",
    "1.2.840.10008.5.1.4.1.1.66.6": "TractographyResultsStorage",
    "1.2.840.10008.5.1.4.1.1.66.7": "LabelMapSegmentationStorage",
    "1.2.840.10008.5.1.4.1.1.66.8": "HeightMapSegmentationStorage",
    "1.2.840.10008.5.1.4.1.1.67": "RealWorldValueMappingStorage",
    "1.2.840.10008.5.1.4.1.1.68.1": "SurfaceScanMeshStorage",
    "1.2.840.10008.5.1.4.1.1.68.2": "SurfaceScanPointCloudStorage",
    "1.2.840.10008.5.1.4.1.1.77.1": "VLImageStorageTrial",
    "1.2.840.10008.5.1.4.1.1.77.1.1": "VLEndoscopicImageStorage",
    "1.2.840.10008.5.1.4.1.1.77.1.1.1": "VideoEndoscopicImageStorage",
    "1.2.840.10008.5.1.4.1.1.77.1.2": "VLMicroscopicImageStorage",
    "1.2.840.10008.5.1.4.1.1.77.1.2.1": "VideoMicroscopicImageStorage",
    "1.2.840.10008.5.1.4.1.1.77.1.3": "VLSlideCoordinatesMicroscopicImageStorage",
    "1.2.840.10008.5.1.4.1.1.77.1.4": "VLPhotographicImageStorage",
    "1.2.840.10008.5.1.4.1.1.77.1.4.1": "VideoPhotographicImageStorage",
    "1.2.840.10008.5.1.4.1.1.77.1.5.1": "OphthalmicPhotography8BitImageStorage",
    "1.2.840.10008.5.1.4.1.1.77.1.5.2": "OphthalmicPhotography16BitImageStorage",
    "1.2.840.10008.5.1.4.1.1.77.1.5.3": "StereometricRelationshipStorage",
    "1.2.840.10008.5.1.4.1.1.77.1.5.4": "OphthalmicTomographyImageStorage",
    "1.2.840.10008.5.1.4.1.1.77.1.5.5": "WideFieldOphthalmicPhotographyStereographicProjectionImageStorage",
    "1.2.840.10008.5.1.4.1.1.77.1.5.6": "WideFieldOphthalmicPhotography3DCoordinatesImageStorage",
    "1.2.840.10008.5.1.4.1.1.77.1.5.7": "OphthalmicOpticalCoherenceTomographyEnFaceImageStorage",
    "1.2.840.10008.5.1.4.1.1.77.1.5.8": "OphthalmicOpticalCoherenceTomographyBscanVolumeAnalysisStorage",
    "1.2.840.10008.5.1.4.1.1.77.1.6": "VLWholeSlideMicroscopyImageStorage",
    "1.2.840.10008.5.1.4.1.1.77.1.7": "DermoscopicPhotographyImageStorage",
    "1.2.840.10008.5.1.4.1.1.77.1.8": "ConfocalMicroscopyImageStorage",
    "1.2.840.10008.5.1.4.1.1.77.1.9": "ConfocalMicroscopyTiledPyramidalImageStorage",
    "1.2.840.10008.5.1.4.1.1.77.2": "VLMultiFrameImageStorageTrial",
    "1.2.840.10008.5.1.4.1.1.78.1": "LensometryMeasurementsStorage",
    "1.2.840.10008.5.1.4.1.1.78.2": "AutorefractionMeasurementsStorage",
    "1.2.840.10008.5.1.4.1.1.78.3": "KeratometryMeasurementsStorage",
    "1.2.840.10008.5.1.4.1.1.78.4": "SubjectiveRefractionMeasurementsStorage",
    "1.2.840.10008.5.1.4.1.1.78.5": "VisualAcuityMeasurementsStorage",
    "1.2.840.10008.5.1.4.1.1.78.6": "SpectaclePrescriptionReportStorage",
    "1.2.840.10008.5.1.4.1.1.78.7": "OphthalmicAxialMeasurementsStorage",
    "1.2.840.10008.5.1.4.1.1.78.8": "IntraocularLensCalculationsStorage",
    "1.2.840.10008.5.1.4.1.1.79.1": "MacularGridThicknessAndVolumeReportStorage",
    "1.2.840.10008.5.1.4.1.1.80.1": "OphthalmicVisualFieldStaticPerimetryMeasurementsStorage",
    "1.2.840.10008.5.1.4.1.1.81.1": "OphthalmicThicknessMapStorage",
    "1.2.840.10008.5.1.4.1.1.82.1": "CornealTopographyMapStorage",
    "1.2.840.10008.5.1.4.1.1.88.1": "TextSRStorageTrial",
    "1.2.840.10008.5.1.4.1.1.88.2": "AudioSRStorageTrial",
    "1.2.840.10008.5.1.4.1.1.88.3": "DetailSRStorageTrial",
    "1.2.840.10008.5.1.4.1.1.88.4": "ComprehensiveSRStorageTrial",
    "1.2.840.10008.5.1.4.1.1.88.11": "BasicTextSRStorage",
    "1.2.840.10008.5.1.4.1.1.88.22": "EnhancedSRStorage",
    "1.2.840.10008.5.1.4.1.1.88.33": "ComprehensiveSRStorage",
    "1.2.840.10008.5.1.4.1.1.88.34": "Comprehensive3DSRStorage",
    "1.2.840.10008.5.1.4.1.1.88.35": "ExtensibleSRStorage",
    "1.2.840.10008.5.1.4.1.1.88.40": "ProcedureLogStorage",
    "1.2.840.10008.5.1.4.1.1.88.50": "MammographyCADSRStorage",
    "1.2.840.10008.5.1.4.1.1.88.59": "KeyObjectSelectionDocumentStorage",
    "1.2.840.10008.5.1.4.1.1.88.65": "ChestCADSRStorage",
    "1.2.840.10008.5.1.4.1.1.88.67": "XRayRadiationDoseSRStorage",
    "1.2.840.10008.5.1.4.1.1.88.68": "RadiopharmaceuticalRadiationDoseSRStorage",
    "1.2.840.10008.5.1.4.1.1.88.69": "ColonCADSRStorage",
    "1.2.840.10008.5.1.4.1.1.88.70": "ImplantationPlanSRStorage",
    "1.2.840.10008.5.1.4.1.1.88.71": "AcquisitionContextSRStorage",
    "1.2.840.10008.5.1.4.1.1.88.72": "SimplifiedAdultEchoSRStorage",
    "1.2.840.10008.5.1.4.1.1.88.73": "PatientRadiationDoseSRStorage",
    "1.2.840.10008.5.1.4.1.1.88.74": "PlannedImagingAgentAdministrationSRStorage",
    "1.2.840.10008.5.1.4.1.1.88.75": "PerformedImagingAgentAdministrationSRStorage",
    "1.2.840.10008.5.1.4.1.1.88.76": "EnhancedXRayRadiationDoseSRStorage",
    "1.2.840.10008.5.1.4.1.1.88.77": "WaveformAnnotationSRStorage",
    "1.2.840.10008.5.1.4.1.1.90.1": "ContentAssessmentResultsStorage",
    "1.2.840.10008.5.1.4.1.1.91.1": "MicroscopyBulkSimpleAnnotationsStorage",
    "1.2.840.10008.5.1.4.1.1.104.1": "EncapsulatedPDFStorage",
    "1.2.840.10008.5.1.4.1.1.104.2": "EncapsulatedCDAStorage",
    "1.2.840.10008.5.1.4.1.1.104.3": "EncapsulatedSTLStorage",
    "1.2.840.10008.5.1.4.1.1.104.4": "EncapsulatedOBJStorage",
    "1.2.840.10008.5.1.4.1.1.104.5": "EncapsulatedMTLStorage",
    "1.2.840.10008.5.1.4.1.1.128": "PositronEmissionTomographyImageStorage",
    "1.2.840.10008.5.1.4.1.1.128.1": "LegacyConvertedEnhancedPETImageStorage",
    "1.2.840.10008.5.1.4.1.1.129": "StandalonePETCurveStorage",
    "1.2.840.10008.5.1.4.1.1.130": "EnhancedPETImageStorage",
    "1.2.840.10008.5.1.4.1.1.131": "BasicStructuredDisplayStorage",
    "1.2.840.10008.5.1.4.1.1.200.1": "CTDefinedProcedureProtocolStorage",
    "1.2.840.10008.5.1.4.1.1.200.2": "CTPerformedProcedureProtocolStorage",
    "1.2.840.10008.5.1.4.1.1.200.3": "ProtocolApprovalStorage",
    "1.2.840.10008.5.1.4.1.1.200.7": "XADefinedProcedureProtocolStorage",
    "1.2.840.10008.5.1.4.1.1.200.8": "XAPerformedProcedureProtocolStorage",
    "1.2.840.10008.5.1.4.1.1.201.1": "InventoryStorage",
    "1.2.840.10008.5.1.4.1.1.481.1": "RTImageStorage",
    "1.2.840.10008.5.1.4.1.1.481.2": "RTDoseStorage",
    "1.2.840.10008.5.1.4.1.1.481.3": "RTStructureSetStorage",
    "1.2.840.10008.5.1.4.1.1.481.4": "RTBeamsTreatmentRecordStorage",
    "1.2.840.10008.5.1.4.1.1.481.5": "RTPlanStorage",
    "1.2.840.10008.5.1.4.1.1.481.6": "RTBrachyTreatmentRecordStorage",
    "1.2.840.10008.5.1.4.1.1.481.7": "RTTreatmentSummaryRecordStorage",
    "1.2.840.10008.5.1.4.1.1.481.8": "RTIonPlanStorage",
    "1.2.840.10008.5.1.4.1.1.481.9": "RTIonBeamsTreatmentRecordStorage",
    "1.2.840.10008.5.1.4.1.1.481.10": "RTPhysicianIntentStorage",
    "1.2.840.10008.5.1.4.1.1.481.11": "RTSegmentAnnotationStorage",
    "1.2.840.10008.5.1.4.1.1.481.12": "RTRadiationSetStorage",
    "1.2.840.10008.5.1.4.1.1.481.13": "CArmPhotonElectronRadiationStorage",
    "1.2.840.10008.5.1.4.1.1.481.14": "TomotherapeuticRadiationStorage",
    "1.2.840.10008.5.1.4.1.1.481.15": "RoboticArmRadiationStorage",
    "1.2.840.10008.5.1.4.1.1.481.16": "RTRadiationRecordSetStorage",
    "1.2.840.10008.5.1.4.1.1.481.17": "RTRadiationSalvageRecordStorage",
    "1.2.840.10008.5.1.4.1.1.481.18": "TomotherapeuticRadiationRecordStorage",
    "1.2.840.10008.5.1.4.1.1.481.19": "CArmPhotonElectronRadiationRecordStorage",
    "1.2.840.10008.5.1.4.1.1.481.20": "RoboticRadiationRecordStorage",
    "1.2.840.10008.5.1.4.1.1.481.21": "RTRadiationSetDeliveryInstructionStorage",
    "1.2.840.10008.5.1.4.1.1.481.22": "RTTreatmentPreparationStorage",
    "1.2.840.10008.5.1.4.1.1.481.23": "EnhancedRTImageStorage",
    "1.2.840.10008.5.1.4.1.1.481.24": "EnhancedContinuousRTImageStorage",
    "1.2.840.10008.5.1.4.1.1.481.25": "RTPatientPositionAcquisitionInstructionStorage",
    "1.2.840.10008.5.1.4.1.1.501.1": "DICOSCTImageStorage",
    "1.2.840.10008.5.1.4.1.1.501.2.1": "DICOSDigitalXRayImageStorageForPresentation",
    "1.2.840.10008.5.1.4.1.1.501.2.2": "DICOSDigitalXRayImageStorageForProcessing",
    "1.2.840.10008.5.1.4.1.1.501.3": "DICOSThreatDetectionReportStorage",
    "1.2.840.10008.5.1.4.1.1.501.4": "DICOS2DAITStorage",
    "1.2.840.10008.5.1.4.1.1.501.5": "DICOS3DAITStorage",
    "1.2.840.10008.5.1.4.1.1.501.6": "DICOSQuadrupoleResonanceStorage",
    "1.2.840.10008.5.1.4.1.1.601.1": "EddyCurrentImageStorage",
    "1.2.840.10008.5.1.4.1.1.601.2": "EddyCurrentMultiFrameImageStorage",
    "1.2.840.10008.5.1.4.34.1": "RTBeamsDeliveryInstructionStorageTrial",
    "1.2.840.10008.5.1.4.34.7": "RTBeamsDeliveryInstructionStorage",
    "1.2.840.10008.5.1.4.34.10": "RTBrachyApplicationSetupDeliveryInstructionStorage",
    "1.2.840.10008.5.1.4.38.1": "HangingProtocolStorage",
    "1.2.840.10008.5.1.4.39.1": "ColorPaletteStorage",
    "1.2.840.10008.5.1.4.43.1": "GenericImplantTemplateStorage",
    "1.2.840.10008.5.1.4.44.1": "ImplantAssemblyTemplateStorage",
    "1.2.840.10008.5.1.4.45.1": "ImplantTemplateGroupStorage",
}

_TRANSFER_SYNTAX_NAMES: Final[Mapping[str, str]] = {
    "1.2.840.10008.1.2": "ImplicitVRLittleEndian",
    "1.2.840.10008.1.2.1": "ExplicitVRLittleEndian",
    "1.2.840.10008.1.2.1.98": "EncapsulatedUncompressedExplicitVRLittleEndian",
    "1.2.840.10008.1.2.1.99": "DeflatedExplicitVRLittleEndian",
    "1.2.840.10008.1.2.2": "ExplicitVRBigEndian",
    "1.2.840.10008.1.2.4.50": "JPEGBaseline8Bit",
    "1.2.840.10008.1.2.4.51": "JPEGExtended12Bit",
    "1.2.840.10008.1.2.4.52": "JPEGExtended35",
    "1.2.840.10008.1.2.4.53": "JPEGSpectralSelectionNonHierarchical68",
    "1.2.840.10008.1.2.4.54": "JPEGSpectralSelectionNonHierarchical79",
    "1.2.840.10008.1.2.4.55": "JPEGFullProgressionNonHierarchical1012",
    "1.2.840.10008.1.2.4.56": "JPEGFullProgressionNonHierarchical1113",
    "1.2.840.10008.1.2.4.57": "JPEGLossless",
    "1.2.840.10008.1.2.4.58": "JPEGLosslessNonHierarchical15",
    "1.2.840.10008.1.2.4.59": "JPEGExtendedHierarchical1618",
    "1.2.840.10008.1.2.4.60": "JPEGExtendedHierarchical1719",
    "1.2.840.10008.1.2.4.61": "JPEGSpectralSelectionHierarchical2022",
    "1.2.840.10008.1.2.4.62": "JPEGSpectralSelectionHierarchical2123",
    "1.2.840.10008.1.2.4.63": "JPEGFullProgressionHierarchical2426",
    "1.2.840.10008.1.2.4.64": "JPEGFullProgressionHierarchical2527",
    "1.2.840.10008.1.2.4.65": "JPEGLosslessHierarchical28",
    "1.2.840.10008.1.2.4.66": "JPEGLosslessHierarchical29",
    "1.2.840.10008.1.2.4.70": "JPEGLosslessSV1",
    "1.2.840.10008.1.2.4.80": "JPEGLSLossless",
    "1.2.840.10008.1.2.4.81": "JPEGLSNearLossless",
    "1.2.840.10008.1.2.4.90": "JPEG2000Lossless",
    "1.2.840.10008.1.2.4.91": "JPEG2000",
    "1.2.840.10008.1.2.4.92": "JPEG2000MCLossless",
    "1.2.840.10008.1.2.4.93": "JPEG2000MC",
    "1.2.840.10008.1.2.4.94": "JPIPReferenced",
    "1.2.840.10008.1.2.4.95": "JPIPReferencedDeflate",
    "1.2.840.10008.1.2.4.100": "MPEG2MPML",
    "1.2.840.10008.1.2.4.100.1": "MPEG2MPMLF",
    "1.2.840.10008.1.2.4.101": "MPEG2MPHL",
    "1.2.840.10008.1.2.4.101.1": "MPEG2MPHLF",
    "1.2.840.10008.1.2.4.102": "MPEG4HP41",
    "1.2.840.10008.1.2.4.102.1": "MPEG4HP41F",
    "1.2.840.10008.1.2.4.103": "MPEG4HP41BD",
    "1.2.840.10008.1.2.4.103.1": "MPEG4HP41BDF",
    "1.2.840.10008.1.2.4.104": "MPEG4HP422D",
    "1.2.840.10008.1.2.4.104.1": "MPEG4HP422DF",
    "1.2.840.10008.1.2.4.105": "MPEG4HP423D",
    "1.2.840.10008.1.2.4.105.1": "MPEG4HP423DF",
    "1.2.840.10008.1.2.4.106": "MPEG4HP42STEREO",
    "1.2.840.10008.1.2.4.106.1": "MPEG4HP42STEREOF",
    "1.2.840.10008.1.2.4.107": "HEVCMP51",
    "1.2.840.10008.1.2.4.108": "HEVCM10P51",
    "1.2.840.10008.1.2.4.110": "JPEGXLLossless",
    "1.2.840.10008.1.2.4.111": "JPEGXLJPEGRecompression",
    "1.2.840.10008.1.2.4.112": "JPEGXL",
    "1.2.840.10008.1.2.4.201": "HTJ2KLossless",
    "1.2.840.10008.1.2.4.202": "HTJ2KLosslessRPCL",
    "1.2.840.10008.1.2.4.203": "HTJ2K",
    "1.2.840.10008.1.2.4.204": "JPIPHTJ2KReferenced",
    "1.2.840.10008.1.2.4.205": "JPIPHTJ2KReferencedDeflate",
    "1.2.840.10008.1.2.5": "RLELossless",
    "1.2.840.10008.1.2.6.1": "RFC2557MIMEEncapsulation",
    "1.2.840.10008.1.2.6.2": "XMLEncoding",
    "1.2.840.10008.1.2.7.1": "SMPTEST211020UncompressedProgressiveActiveVideo",
    "1.2.840.10008.1.2.7.2": "SMPTEST211020UncompressedInterlacedActiveVideo",
    "1.2.840.10008.1.2.7.3": "SMPTEST211030PCMDigitalAudio",
    "1.2.840.10008.1.2.8.1": "DeflatedImageFrameCompression",
    "1.2.840.10008.1.20": "Papyrus3ImplicitVRLittleEndian",
}

_NAMES: Final[Mapping[str, str]] = {VERIFICATION: "Verification", **_STORAGE_NAMES, **_TRANSFER_SYNTAX_NAMES}
_UIDS: Final[Mapping[str, Uid]] = {name: Uid(uid) for uid, name in _NAMES.items()}


def is_uid(text: str) -> bool:
    """Whether the text is a UID as ``hilum.model.Uid`` understands it, without padding."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def is_storage(sop_class: str) -> bool:
    """Whether instances of this SOP class can be stored here.

    True for every storage class of the standard, also those that a later edition adds below the storage root, and
    for everything outside the standard's root: what a vendor's private class means cannot be known, and storing is
    all that is offered. False for text that is no UID.

    Source: PS3.4 B.5, GG.3.
    """
    if not is_uid(sop_class):
        return False
    if sop_class.startswith(_STORAGE_ROOT):
        return sop_class not in _NOT_STORAGE
    return sop_class in _STORAGE_NAMES or not f"{sop_class}.".startswith(_STANDARD_ROOT)


def keyword_to_uid(keyword: str) -> Uid | None:
    """The UID of a storage SOP class, Verification or a transfer syntax by PS3.6 keyword, e.g. ``CTImageStorage``."""
    return _UIDS.get(keyword)


def name_of(uid: str) -> str:
    """The PS3.6 keyword of a storage SOP class, Verification or a transfer syntax; of anything else the UID itself."""
    return _NAMES.get(uid, uid)


def keywords() -> tuple[str, ...]:
    """Every keyword that ``keyword_to_uid`` knows, for "did you mean"; in the order of the UIDs."""
    return tuple(_UIDS)
