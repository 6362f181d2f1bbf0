"""Tests in Chromium. A package, because the fixture ``browser`` lasts as long as tests of this folder run."""
