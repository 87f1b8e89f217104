"""Who made the module, what it is for and how to cite it."""

from PancreasSegPanel.translation import translator

_ = translator(__name__)

CONTRIBUTORS = [_("The PancreasSeg developers")]

HELP = _("""
<p>Finds the pancreas on an abdominal CT in seconds, on an ordinary computer, with no GPU, account or server:
nothing leaves the machine.</p>
<ol>
<li>Choose the CT. The line below it says whether it looks like one.</li>
<li>Optional: <b>Propose</b> shows the region where the pancreas is looked for; move its handles.</li>
<li><b>Segment</b> (Ctrl+Return). <b>Cancel</b> (Esc) stops at once. The application stays usable.</li>
<li>The result is the segment <i>Pancreas</i>. Where it is wrong, take <b>Include</b> (1) or <b>Exclude</b> (2)
and draw a short line in a slice view: the mask mends itself. <b>Ctrl+Z</b> takes it back, <b>N</b> goes to the
next doubtful slice, <b>Esc</b> puts the tool away.</li>
<li>Or mend one slice with <b>Paint</b> (3) and <b>Erase</b> (6), and press <b>S</b>: the slices beside it
follow.</li>
</ol>
<p>Other segments are never changed. Voxels that the Segment Editor's masking settings protect, and those of
segments
with the status <i>Completed</i>, are left out of the new segment.</p>
<p>In Python: <code>slicer.util.getModuleLogic("PancreasSeg").segment(volumeNode)</code></p>
<p><b>Research use only.</b> PancreasSeg is not a medical device and must not be used for diagnosis or
treatment.</p>
""")

ACKNOWLEDGEMENT = _("""
<p>If PancreasSeg helps your work, please cite its repository with the version, and the sources of its data and
tools:</p>
<ul>
<li>Landman B, et al. MICCAI Multi-Atlas Labeling Beyond the Cranial Vault, 2015. doi:10.7303/syn3193805</li>
<li>Antonelli M, et al. The Medical Segmentation Decathlon. Nature Communications 13, 4128 (2022).
doi:10.1038/s41467-022-30695-9</li>
<li>The MONAI Consortium. MONAI: Medical Open Network for AI. doi:10.5281/zenodo.4323058</li>
</ul>
<p>The code is under the Apache License 2.0; each model package names its own licence and training data.</p>
""")
