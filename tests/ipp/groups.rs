//! The statistics groups that the IPP prints for its database tools, by the names of the flags.

/// Of a chip.
pub(crate) const CHIP_IMFILE: &str = "
    bg bg_mean_stdev bg_stdev bias bias_stdev fringe_0 fringe_1 fringe_2 ap_resid
    ap_resid_stdev fwhm_major fwhm_major_lq fwhm_major_uq fwhm_minor fwhm_minor_lq
    fwhm_minor_uq dtime_detrend dtime_photom dtime_total n_stars n_psfstars n_iqstars
    n_extended n_cr iq_fwhm_major iq_fwhm_major_err iq_fwhm_minor iq_fwhm_minor_err iq_m2
    iq_m2_err iq_m2_lq iq_m2_uq iq_m3 iq_m3_err iq_m3_lq iq_m3_uq iq_m4 iq_m4_err iq_m4_lq
    iq_m4_uq iq_m2c iq_m2c_err iq_m2c_lq iq_m2c_uq iq_m2s iq_m2s_err iq_m2s_lq iq_m2s_uq
    quality ver_pslib ver_psmodules ver_psphot ver_psastro ver_ppstats ver_ppimage
    ver_streaks maskfrac_npix maskfrac_static maskfrac_dynamic maskfrac_magic
    maskfrac_advisory deteff_magref
";

/// Of the chips of an exposure, taken together.
pub(crate) const CAMERA_EXP_IMFILE: &str = "
    bg bg_mean_stdev bg_stdev bias bias_stdev fringe_0 fringe_1 fringe_2 ap_resid
    ap_resid_stdev fwhm_major fwhm_major_uq fwhm_major_lq fwhm_minor fwhm_minor_uq
    fwhm_minor_lq n_stars n_psfstars n_iqstars n_extended n_cr iq_fwhm_major
    iq_fwhm_major_err iq_fwhm_minor iq_fwhm_minor_err iq_m2 iq_m2_err iq_m2_lq iq_m2_uq
    iq_m3 iq_m3_err iq_m3_lq iq_m3_uq iq_m4 iq_m4_err iq_m4_lq iq_m4_uq iq_m2c iq_m2c_err
    iq_m2c_lq iq_m2c_uq iq_m2s iq_m2s_err iq_m2s_lq iq_m2s_uq quality ver_pslib
    ver_psmodules ver_psphot ver_psastro ver_ppstats ver_ppimage ver_streaks deteff_inst
    deteff_inst_err deteff_inst_uq deteff_inst_lq
";

/// Of an exposure.
pub(crate) const CAMERA_EXP_FPA: &str = "
    sigma_ra sigma_dec dtime_astrom n_astrom astrom_chips ast_r0 ast_d0 ast_t0 ast_s0 ast_rs
    ast_ds zpt_obs zpt_err zpt_uq zpt_lq quality ver_pslib ver_psmodules ver_psphot
    ver_psastro ver_ppstats ver_ppimage ver_streaks maskfrac_ref_npix maskfrac_ref_static
    maskfrac_ref_dynamic maskfrac_ref_magic maskfrac_ref_advisory maskfrac_max_npix
    maskfrac_max_static maskfrac_max_dynamic maskfrac_max_magic maskfrac_max_advisory
";

/// Of a warp.
pub(crate) const WARP_SKYCELL: &str = "
    bg bg_stdev dtime_warp good_frac xmin xmax ymin ymax accept quality ver_pslib
    ver_psmodules ver_psphot ver_ppstats ver_pswarp ver_streaks maskfrac_npix
    maskfrac_static maskfrac_dynamic maskfrac_magic maskfrac_advisory
";

/// Of a stack.
pub(crate) const STACK_SKYCELL: &str = "
    bg bg_stdev dtime_stack dtime_match_mean dtime_match_stdev dtime_initial dtime_reject
    dtime_final dtime_convolve dtime_phot match_mean match_stdev match_rms stamps_mean
    stamps_stdev stamps_min reject_images reject_pix_mean reject_pix_stdev sources good_frac
    quality mjd_obs ver_pslib ver_psmodules ver_psphot ver_ppstats ver_ppstack ver_streaks
";

/// Of a difference.
pub(crate) const DIFF_SKYCELL: &str = "
    bg bg_stdev dtime_diff dtime_match dtime_phot stamps_num stamps_mean stamps_rms norm
    bg_diff kernel_x kernel_y kernel_xx kernel_xy kernel_yy deconv_max sources good_frac
    quality ver_pslib ver_psmodules ver_psphot ver_ppstats ver_ppsub ver_streaks
    maskfrac_npix maskfrac_static maskfrac_dynamic maskfrac_magic maskfrac_advisory
";
