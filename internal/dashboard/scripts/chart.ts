/*! The chart is drawn by uPlot 1.6.32, https://github.com/leeoniya/uPlot, Copyright (c) 2022 Leon Sorokin, under the MIT License. */
// Pages with figures over time.
import "./elements/time-chart";
